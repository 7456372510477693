import { mkdtempSync, rmSync } from 'node:fs'
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Duplex } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../clock.ts'
import { silentLogger } from '../log/logger.ts'
import { HealthService } from '../proto/grpc/health/v1/health.ts'
import { openHooks } from './call-hooks.ts'
import { GrpcHost } from './host.ts'
import { isJavaClient } from './java-client.ts'
import { bindService } from './service.ts'

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
/** As grpc-java 1.77 begins: no push, no streams from the server, then windows and list sizes. */
const javaSettings = Buffer.from(
  '000018040000000000000200000000000300000000000400100000000600002000',
  'hex',
)
/** As grpc-go, and as Node. */
const otherSettings = Buffer.from('000006040000000000000400100000', 'hex')

describe('the first bytes of a connection', () => {
  it('tell grpc-java by its settings, however they come', () => {
    const first = Buffer.concat([preface, javaSettings])
    for (let length = 0; length < first.length; length++) {
      expect(isJavaClient(first.subarray(0, length))).toBeUndefined()
    }
    expect(isJavaClient(first)).toBe(true)
    expect(isJavaClient(Buffer.concat([first, Buffer.from('more')]))).toBe(true)
  })

  it('tell every other client', () => {
    expect(isJavaClient(Buffer.concat([preface, otherSettings]))).toBe(false)
    expect(isJavaClient(Buffer.concat([preface, Buffer.from('000000040000000000', 'hex')]))).toBe(
      false,
    )
    expect(isJavaClient(Buffer.from('GET / HTTP/1.1\r\n'))).toBe(false)
    expect(
      isJavaClient(Buffer.concat([preface, Buffer.from('00000401000000000100000000', 'hex')])),
    ).toBe(false)
  })

  it('are not waited for when the settings claim to be long', () => {
    expect(isJavaClient(Buffer.concat([preface, Buffer.from('00ffff040000000000', 'hex')]))).toBe(
      false,
    )
  })
})

let folder: string
let path: string
let host: GrpcHost<never>
let sessions: ClientHttp2Session[]

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'java-client-'))
  // Of characters that Huffman's code makes longer: Node's client sends such a text as grpc-java does every text.
  path = join(folder, `${'{'.repeat(20)}.sock`)
  sessions = []
  const service = bindService<never, typeof HealthService>(HealthService, {
    check: () => ({ status: 1 }),
    list: () => ({ statuses: new Map() }),
    watch: async function* () {
      yield { status: 1 as const }
    },
  })
  host = new GrpcHost<never>({
    services: [service],
    hooks: openHooks as never,
    clock: systemClock,
    log: silentLogger,
  })
  await host.listenUnix({ path, mode: 0o700, directoryMode: 0o700 })
})
afterEach(async () => {
  for (const session of sessions) session.destroy()
  await host.stop(0)
  rmSync(folder, { recursive: true, force: true })
})

/** A connection that sends other settings than Node would, in pieces of a size. */
function connection(settings: Buffer, pieceBytes: number): Duplex {
  const socket: Socket = connect(path)
  let own: Buffer | undefined = Buffer.alloc(0)
  /** What goes out for what Node wrote: until its own settings are past, nothing, and then others. */
  const replaced = (chunk: Buffer): Buffer => {
    if (!own) return chunk
    own = Buffer.concat([own, chunk])
    if (own.length < preface.length + 9) return Buffer.alloc(0)
    const end = preface.length + 9 + own.readUIntBE(preface.length, 3)
    if (own.length < end) return Buffer.alloc(0)
    const rest = own.subarray(end)
    own = undefined
    return Buffer.concat([preface, settings, rest])
  }
  const made = new Duplex({
    read: () => {},
    write: (chunk: Buffer, _encoding, done) => {
      const bytes = replaced(chunk)
      void (async () => {
        for (let at = 0; at < bytes.length; at += pieceBytes) {
          socket.write(bytes.subarray(at, at + pieceBytes))
          await new Promise((resolve) => setImmediate(resolve))
        }
        done()
      })()
    },
    destroy: (error, done) => {
      socket.destroy()
      done(error)
    },
  })
  socket.on('error', () => {})
  socket.on('data', (chunk) => made.push(chunk))
  socket.on('close', () => made.push(null))
  return made
}

function check(
  settings: Buffer,
  authority: string,
  calls = 1,
  pieceBytes = 65_536,
): Promise<readonly string[]> {
  const session = connectHttp2('http://localhost', {
    createConnection: () => connection(settings, pieceBytes),
  })
  session.on('error', () => {})
  sessions.push(session)
  const one = (): Promise<string> =>
    new Promise((resolve) => {
      const stream = session.request({
        ':method': 'POST',
        ':path': '/grpc.health.v1.Health/Check',
        ':authority': authority,
        'content-type': 'application/grpc',
        te: 'trailers',
      })
      stream.on('trailers', (trailers) => resolve(`grpc-status ${trailers['grpc-status']}`))
      stream.on('error', ({ message }) => resolve(message))
      stream.resume()
      stream.end(Buffer.alloc(5))
    })
  return Promise.all(Array.from({ length: calls }, one))
}

describe('grpc-java on a Unix socket', () => {
  it('is served although it names the path of the socket as authority', async () => {
    expect(await check(javaSettings, path, 20)).toEqual(Array(20).fill('grpc-status 0'))
  })

  it.each([1, 7, 64])('is served in pieces of %i bytes', async (pieceBytes) => {
    expect(await check(javaSettings, path, 3, pieceBytes)).toEqual(Array(3).fill('grpc-status 0'))
  })

  it('leaves other clients as they are, right or wrong', async () => {
    expect(await check(otherSettings, 'localhost', 3, 7)).toEqual(Array(3).fill('grpc-status 0'))
    const [refused] = await check(otherSettings, path)
    expect(refused).toContain('NGHTTP2_PROTOCOL_ERROR')
  })

  it('is cut with its connection, and gone when it goes', async () => {
    await check(javaSettings, path)
    expect(host.connectionCount).toBe(1)
    sessions[0]?.destroy()
    while (host.connectionCount > 0) await new Promise((resolve) => setImmediate(resolve))
    await check(javaSettings, path)
    expect(host.closeConnections(() => true)).toBe(1)
    while (host.connectionCount > 0) await new Promise((resolve) => setImmediate(resolve))
  })
})
