import { mkdtempSync, rmSync } from 'node:fs'
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect as connectHttp2,
  constants as http2,
  type IncomingHttpHeaders,
} from 'node:http2'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../clock.ts'
import { silentLogger } from '../log/logger.ts'
import { HealthService } from '../proto/grpc/health/v1/health.ts'
import { ApiError } from './api-error.ts'
import { openHooks } from './call-hooks.ts'
import { GrpcHost } from './host.ts'
import { bindReflection } from './reflection.ts'
import { bindService } from './service.ts'

const check = '/grpc.health.v1.Health/Check'
const watch = '/grpc.health.v1.Health/Watch'
const reflect = '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo'
const maxKept = 1_048_576
let folder: string
let session: ClientHttp2Session
let host: GrpcHost<never>
/** What reached the handler. */
let seen: string[]

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'wire-call-'))
  seen = []
  const service = bindService<never, typeof HealthService>(HealthService, {
    check: (_call, { service: name }) => {
      seen.push(name)
      if (name === 'missing') throw new ApiError('not-found', 'nothing “here”\n%')
      if (name === 'half') throw new ApiError('not-found', 'half \ud800 a character')
      if (name === 'never') return new Promise(() => {})
      return { status: 1 }
    },
    list: () => ({ statuses: new Map() }),
    watch: async function* () {
      yield { status: 1 as const }
      yield { status: 2 as const }
      throw new ApiError('aborted', 'enough')
    },
  })
  const hooks = openHooks as never
  host = new GrpcHost<never>({
    services: [service, bindReflection([service])],
    hooks,
    clock: systemClock,
    log: silentLogger,
    limits: { maxRequestBytesPerAddress: maxKept },
  })
  const path = join(folder, 'a.sock')
  await host.listenUnix({ path, mode: 0o700, directoryMode: 0o700 })
  session = connectHttp2('http://localhost', { createConnection: () => connect(path) })
})
afterEach(async () => {
  session.destroy()
  await host.stop(0)
  rmSync(folder, { recursive: true, force: true })
})

interface Answer {
  readonly headers: IncomingHttpHeaders
  readonly trailers: IncomingHttpHeaders
  readonly body: Buffer
}

/** Sends these pieces as they are, and gathers all that comes back. */
function call(
  pieces: readonly Uint8Array[],
  more: Record<string, string> = {},
  path: string = check,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...more,
    })
    let [headers, trailers]: IncomingHttpHeaders[] = [{}, {}]
    const body: Buffer[] = []
    stream.on('response', (received) => {
      headers = received
    })
    stream.on('trailers', (received) => {
      trailers = received
    })
    stream.on('data', (chunk: Buffer) => body.push(chunk))
    stream.on('error', reject)
    stream.on('close', () =>
      resolve({ headers: headers ?? {}, trailers: trailers ?? {}, body: Buffer.concat(body) }),
    )
    for (const piece of pieces) stream.write(piece)
    stream.end()
  })
}

function frame(message: Uint8Array, flag = 0): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt8(flag, 0)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}

const request = (service: string): Buffer => HealthService.check.requestSerialize({ service })
const severalRequests =
  'cardinality violation: received multiple request messages for non-client-streaming RPC'
const noRequest = 'cardinality violation: received no request message from non-client-streaming RPC'
const serving = Buffer.from([0, 0, 0, 0, 2, 8, 1])

describe('a call on the wire', () => {
  it('that goes well is headers, a framed message, and trailers', async () => {
    const { headers, body, trailers } = await call([frame(request('a'))])
    expect([headers[':status'], headers['content-type']]).toEqual([200, 'application/grpc'])
    expect(body).toEqual(serving)
    expect(trailers['grpc-status']).toBe('0')
  })

  it('that fails before an answer is one block of headers, with the text in percent form', async () => {
    const { headers, body, trailers } = await call([frame(request('missing'))])
    expect([headers['grpc-status'], body.length, Object.keys(trailers).length]).toEqual(['5', 0, 0])
    expect(headers['grpc-message']).toBe('nothing %E2%80%9Chere%E2%80%9D%0A%25')
  })

  it('may fail with half a character in its text', async () => {
    const { headers } = await call([frame(request('half'))])
    expect(headers['grpc-status']).toBe('5')
    expect(decodeURIComponent(String(headers['grpc-message']))).toBe('half \ufffd a character')
  })

  it('with a stream of answers is refused at its second message, not when a caller without end has ended', async () => {
    const stream = session.request({
      ':method': 'POST',
      ':path': watch,
      'content-type': 'application/grpc',
    })
    stream.write(Buffer.concat(Array.from({ length: 1000 }, () => frame(Buffer.alloc(0)))))
    const headers = await new Promise<IncomingHttpHeaders>((resolve) => {
      stream.once('response', resolve)
    })
    expect([headers['grpc-status'], seen]).toEqual(['13', []])
    expect(headers['grpc-message']).toBe(severalRequests)
    stream.close()
  })

  it('is answered when its message is there, also to a caller who never closes its side [gate 11]', async () => {
    const stream = session.request({
      ':method': 'POST',
      ':path': check,
      'content-type': 'application/grpc',
    })
    const trailers = new Promise<IncomingHttpHeaders>((resolve) => {
      stream.once('trailers', resolve)
    })
    const closed = new Promise((resolve) => stream.once('close', resolve))
    stream.resume()
    stream.write(frame(request('open')))
    expect([(await trailers)['grpc-status'], seen]).toEqual(['0', ['open']])
    await closed
    expect(stream.rstCode).toBe(http2.NGHTTP2_NO_ERROR)
  })

  it('with one answer has its first message for its request, whatever follows', async () => {
    const more = frame(request('b'))
    const { body } = await call([frame(request('a')), more, more.subarray(0, 3)])
    expect([body, seen]).toEqual([serving, ['a']])
  })

  it.each([
    [check, 'nothing', [], '2', 'EOF'],
    [check, 'half a message', [frame(request('a')).subarray(0, 6)], '2', 'unexpected EOF'],
    [watch, 'nothing', [], '13', noRequest],
    [watch, 'half a message', [frame(request('a')).subarray(0, 6)], '13', 'unexpected EOF'],
    [watch, 'two messages', [frame(request('a')), frame(request('b'))], '13', severalRequests],
  ])(
    'of %s that brings %s is refused in the words of Go',
    async (path, _what, pieces, status, text) => {
      const { headers } = await call(pieces, {}, path)
      expect([headers['grpc-status'], headers['grpc-message'], seen]).toEqual([status, text, []])
    },
  )

  it.each([
    ['', 'transport: timeout string is too short: ""'],
    ['S', 'transport: timeout string is too short: "S"'],
    ['123456789S', 'transport: timeout string is too long: "123456789S"'],
    ['1s', 'transport: timeout unit is not recognized: "1s"'],
    ['1S,2S', 'strconv.ParseUint: parsing "1S,2": invalid syntax'],
    ['-1S', 'strconv.ParseUint: parsing "-1": invalid syntax'],
    ['1.5S', 'strconv.ParseUint: parsing "1.5": invalid syntax'],
  ])('with the timeout %j is none, by HTTP too', async (timeout, problem) => {
    const { headers } = await call([frame(request('a'))], { 'grpc-timeout': timeout })
    expect([headers[':status'], headers['grpc-status'], seen]).toEqual([400, '13', []])
    expect(headers['grpc-message']).toBe(`malformed grpc-timeout: ${problem}`)
  })

  it('with a timeout that is none is told so at once, also when its caller never closes its side', async () => {
    const stream = session.request({
      ':method': 'POST',
      ':path': check,
      'content-type': 'application/grpc',
      'grpc-timeout': 'soon',
    })
    const headers = await new Promise<IncomingHttpHeaders>((resolve) => {
      stream.once('response', resolve)
    })
    expect([headers[':status'], headers['grpc-status']]).toEqual([400, '13'])
    stream.close()
  })

  it('that fails after answers has its status in the trailers', async () => {
    const { headers, body, trailers } = await call([frame(request(''))], {}, watch)
    expect(headers['grpc-status']).toBeUndefined()
    expect(body.length).toBe(14)
    expect([trailers['grpc-status'], trailers['grpc-message']]).toEqual(['10', 'enough'])
  })

  it('may come in pieces of any size', async () => {
    const bytes = frame(request('a name of some length'))
    const { body } = await call(Array.from(bytes, (byte) => Uint8Array.of(byte)))
    expect([body, seen]).toEqual([serving, ['a name of some length']])
  })

  it.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
  ])('may be compressed with %s', async (encoding, compress) => {
    const bytes = frame(compress(request('packed')), 1)
    expect((await call([bytes], { 'grpc-encoding': encoding })).body).toEqual(serving)
    expect(seen).toEqual(['packed'])
  })

  it.each<[string, readonly Uint8Array[], Record<string, string>, string]>([
    [
      'an unknown compression',
      [frame(brotliCompressSync(request('a')), 1)],
      { 'grpc-encoding': 'br' },
      '12',
    ],
    [
      'what is not compressed as it says',
      [frame(request('a'), 1)],
      { 'grpc-encoding': 'gzip' },
      '13',
    ],
    ['a compressed message without a compression', [frame(request('a'), 1)], {}, '13'],
    ['a flag that nobody knows', [frame(request('a'), 2)], {}, '13'],
    ['a timeout that has passed', [frame(request('a'))], { 'grpc-timeout': '0S' }, '4'],
  ])('that brings %s never reaches its handler', async (_what, pieces, headers, status) => {
    const answer = await call(pieces, headers)
    expect(answer.headers['grpc-status']).toBe(status)
    expect(seen).toEqual([])
  })

  it('ends with its deadline, whatever its handler does', async () => {
    const { headers } = await call([frame(request('never'))], { 'grpc-timeout': '20m' })
    expect([headers['grpc-status'], seen]).toEqual(['4', ['never']])
  })

  it('that reads as it is sent is refused for what it keeps of an unfinished message, and so are others [gate 9]', async () => {
    const half = Buffer.concat([Buffer.of(0, 0, 0x20, 0, 0), Buffer.alloc(maxKept / 2)])
    const begin = (): ClientHttp2Stream => {
      const stream = session.request({
        ':method': 'POST',
        ':path': reflect,
        'content-type': 'application/grpc',
      })
      return stream.on('error', () => {})
    }
    const taken = begin()
    await new Promise((resolve) => taken.write(half, resolve))
    const refused = begin()
    const closed = new Promise((resolve) => refused.once('close', resolve))
    refused.write(half)
    refused.write(half)
    await closed
    expect(refused.rstCode).toBe(http2.NGHTTP2_ENHANCE_YOUR_CALM)
    expect((await call([frame(request(''))])).trailers['grpc-status']).toBe('0')
    taken.close()
    const next = begin()
    await new Promise((resolve) => next.write(half, resolve))
    expect((await call([frame(request(''))])).trailers['grpc-status']).toBe('0')
    expect(next.closed).toBe(false)
    next.close()
  })

  it.each([
    ['application/json', '415', 'invalid gRPC request content-type "application/json"'],
    ['application/grpc-web', '415', 'invalid gRPC request content-type "application/grpc-web"'],
    ['', '415', 'invalid gRPC request content-type ""'],
  ])('of the content type %j is none', async (contentType, status, text) => {
    const { headers } = await call([frame(request('a'))], { 'content-type': contentType })
    expect([String(headers[':status']), headers['grpc-status']]).toEqual([status, '3'])
    expect([headers['grpc-message'], seen]).toEqual([text, []])
  })

  it.each(['application/grpc+proto', 'application/grpc;v=1'])(
    'of the content type %s is one',
    async (contentType) => {
      const { body } = await call([frame(request('a'))], { 'content-type': contentType })
      expect(body).toEqual(serving)
    },
  )

  it('by another method than POST is none', async () => {
    const { headers } = await call([frame(request('a'))], { ':method': 'PUT' })
    expect([headers[':status'], headers['grpc-status'], seen]).toEqual([405, '13', []])
    const text = 'Received a HEADERS frame with :method "PUT" which should be POST'
    expect(headers['grpc-message']).toBe(text)
  })
})
