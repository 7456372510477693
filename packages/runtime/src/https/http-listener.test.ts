import { existsSync, statSync, writeFileSync } from 'node:fs'
import { request as httpRequest, type RequestListener } from 'node:http'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, describe, expect, it } from 'vitest'
import { FakeClock } from '../clock.test-kit.ts'
import { systemClock } from '../clock.ts'
import { HttpScene } from '../http/http.test-kit.ts'
import { silentLogger } from '../log/logger.ts'
import { HttpListener, type HttpListenerOptions } from './http-listener.ts'

const scene = new HttpScene()
const listeners: HttpListener[] = []
afterEach(async () => {
  for (const listener of listeners.splice(0)) await listener[Symbol.asyncDispose]()
  await scene.close()
})

const hello: RequestListener = (_request, response) => {
  response.end('hello')
}

async function serve(options: Partial<HttpListenerOptions> = {}): Promise<number> {
  const listener = new HttpListener({
    address: { host: '127.0.0.1', port: 0 },
    answer: hello,
    clock: systemClock,
    log: silentLogger,
    ...options,
  })
  listeners.push(listener)
  return (await listener.listen()).port
}

function get(at: { readonly port: number } | { readonly socketPath: string }): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest({ host: '127.0.0.1', ...at, agent: false }, (response) => {
      text(response).then(resolve, reject)
    })
    sent.once('error', reject)
    sent.end()
  })
}

const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    socket.on('error', () => {})
    if (socket.closed) resolve()
    socket.once('close', () => resolve())
    socket.resume()
  })

async function opened(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  await new Promise((resolve) => socket.once('connect', resolve))
  return socket
}

describe('a plain listener', () => {
  it('answers on a port', async () => {
    expect(await get({ port: await serve() })).toBe('hello')
  })

  it('answers on a socket file of the mode asked for, and takes the place of one left behind', async () => {
    const path = join(scene.folder(), 'http.sock')
    for (let run = 0; run < 2; run++) {
      await serve({ address: { path, mode: 0o777 } })
      expect(statSync(path).mode & 0o777).toBe(0o777)
      expect(await get({ socketPath: path })).toBe('hello')
    }
  })

  it('does not remove a file that is no socket, and says what keeps it from listening', async () => {
    const path = join(scene.folder(), 'precious')
    writeFileSync(path, 'data')
    await expect(serve({ address: { path, mode: 0o777 } })).rejects.toMatchObject({
      code: 'ERR_LISTEN_FAILED',
      cause: { code: 'EADDRINUSE' },
    })
    expect(existsSync(path)).toBe(true)
    const nowhere = join(scene.folder(), 'nowhere', 'http.sock')
    await expect(serve({ address: { path: nowhere, mode: 0o777 } })).rejects.toMatchObject({
      cause: { code: 'ENOENT' },
    })
    const port = await serve()
    await expect(serve({ address: { host: '127.0.0.1', port } })).rejects.toMatchObject({
      code: 'ERR_LISTEN_FAILED',
    })
  })

  it('holds a bounded number of connections', async () => {
    const port = await serve({ limits: { maxConnections: 2 } })
    const held = [await opened(port), await opened(port)]
    await closed(connect(port, '127.0.0.1'))
    const gone = held.map(closed)
    for (const socket of held) socket.destroy()
    await Promise.all(gone)
    expect(await get({ port })).toBe('hello')
  })

  it('cuts off a request that does not arrive, and one that is no request or too large', async () => {
    const port = await serve({ limits: { requestTimeoutMs: 100, maxHeadBytes: 1024 } })
    const sent = [
      '',
      'GET / HTTP/1.1\r\nhost: x\r\n',
      'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhalf',
      'nonsense\r\n\r\n',
      `GET / HTTP/1.1\r\nhost: ${'x'.repeat(2048)}\r\n\r\n`,
    ]
    const ends = sent.map(async (bytes) => {
      const socket = await opened(port)
      socket.write(bytes)
      await closed(socket)
    })
    await Promise.all(ends)
  })

  it('outlives an answer that fails', async () => {
    let isBroken = true
    const port = await serve({
      answer: (request, response) => {
        if (isBroken) throw new Error('broken')
        hello(request, response)
      },
    })
    expect(await get({ port })).toBe('500 internal server error\n')
    isBroken = false
    expect(await get({ port })).toBe('hello')
  })

  it('cuts off an answer that nobody takes', async () => {
    const clock = new FakeClock()
    let isAsked = (): void => {}
    const asked = new Promise<void>((resolve) => {
      isAsked = resolve
    })
    const port = await serve({
      clock,
      answer: (_request, response) => {
        response.write(Buffer.alloc(64 * 1024 * 1024))
        isAsked()
      },
    })
    const socket = await opened(port)
    socket.pause()
    socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
    await asked
    const end = closed(socket)
    clock.advance(30_000)
    await end
  })
})
