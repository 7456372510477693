import type { RequestListener } from 'node:http'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { FakeClock } from '../clock.test-kit.ts'
import { systemClock } from '../clock.ts'
import { HttpScene, issue, type NamedCertificate } from '../http/http.test-kit.ts'
import { HttpClient } from '../http/http-client.ts'
import { silentLogger } from '../log/logger.ts'
import { readClientHello } from './client-hello.ts'
import { HttpsListener, type HttpsListenerOptions } from './https-listener.ts'
import type { KeyPair } from './serving-certificate.ts'

const scene = new HttpScene()
const listeners: HttpsListener[] = []
afterEach(async () => {
  for (const listener of listeners.splice(0)) await listener[Symbol.asyncDispose]()
  await scene.close()
})

let named: NamedCertificate
let other: NamedCertificate
beforeAll(async () => {
  named = await issue('localhost')
  other = await issue('localhost')
})

const hello: RequestListener = (_request, response) => {
  response.end('hello')
}

async function serve(options: Partial<HttpsListenerOptions> = {}): Promise<number> {
  const listener = new HttpsListener({
    host: '127.0.0.1',
    port: 0,
    certificate: { current: () => named },
    answer: hello,
    clock: systemClock,
    log: silentLogger,
    ...options,
  })
  listeners.push(listener)
  return (await listener.listen()).port
}

async function get(port: number, roots = [named.root]): Promise<string> {
  const http = new HttpClient({ environment: {}, clock: systemClock })
  const { body } = await http.request({ url: `https://localhost:${port}/`, roots })
  return Buffer.from(body).toString()
}

const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    socket.on('error', () => {})
    if (socket.closed) resolve()
    socket.once('close', () => resolve())
    socket.resume()
  })

/** A connection from an address of this machine on which nothing is said. */
async function opened(port: number, localAddress: string): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', localAddress })
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  return socket
}

/** A connection that has finished its handshake. */
function secure(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({
      port,
      host: '127.0.0.1',
      servername: 'localhost',
      ca: [named.root, other.root],
      ...options,
    })
    socket.once('error', reject)
    socket.once('secureConnect', () => {
      socket.on('error', () => {})
      resolve(socket)
    })
  })
}

describe('an HTTPS listener', () => {
  it('shows whatever certificate it has at the moment', async () => {
    let current: KeyPair | undefined = named
    const port = await serve({ certificate: { current: () => current } })
    expect(await get(port)).toBe('hello')
    current = other
    expect(await get(port, [other.root])).toBe('hello')
    await expect(get(port)).rejects.toMatchObject({ code: 'ERR_HTTP_UNREACHABLE' })
    current = undefined
    await expect(get(port, [other.root])).rejects.toMatchObject({ code: 'ERR_HTTP_UNREACHABLE' })
  })

  it('shows the certificate of the name that is asked for, and none to whoever asks for another', async () => {
    const pairs: Readonly<Record<string, KeyPair>> = { localhost: named, 'other.test': other }
    const port = await serve({
      certificate: { current: () => undefined, find: (name) => pairs[name] },
    })
    for (const servername of ['localhost', 'other.test', 'localhost']) {
      const socket = await secure(port, { servername, checkServerIdentity: () => undefined })
      expect(socket.getPeerX509Certificate()?.toString()).toBe(pairs[servername]?.cert)
      socket.destroy()
    }
    await expect(secure(port, { servername: 'evil.test' })).rejects.toThrow()
  })

  it('lets one address have a bounded number of connections, and others theirs', async () => {
    const port = await serve({ limits: { maxConnectionsPerAddress: 2 } })
    const held = [await secure(port), await secure(port)]
    await closed(connect(port, '127.0.0.1'))
    const socket = connect({ port, host: '127.0.0.1', localAddress: '127.0.0.2' })
    const elsewhere = connectTls({ socket, servername: 'localhost', ca: [named.root] })
    await new Promise((resolve) => elsewhere.once('secureConnect', resolve))
    elsewhere.destroy()
    const gone = held.map(closed)
    for (const socket of held) socket.destroy()
    await Promise.all(gone)
    expect(await get(port)).toBe('hello')
  })

  it('cuts off a handshake that does not end, and counts it until then', async () => {
    const clock = new FakeClock()
    const port = await serve({ clock, limits: { maxHandshakesPerAddress: 1 } })
    const silent = connect(port, '127.0.0.1')
    await new Promise((resolve) => silent.once('connect', resolve))
    await closed(connect(port, '127.0.0.1'))
    const end = closed(silent)
    clock.advance(10_000)
    await end
    expect(await get(port)).toBe('hello')
  })

  it('serves others beside those who connect and say nothing, and lets one address have few of them [gate 9]', async () => {
    const clock = new FakeClock()
    const port = await serve({ clock, limits: { maxHandshakes: 4, maxHandshakesPerAddress: 2 } })
    const silent = await Promise.all(
      ['127.0.0.2', '127.0.0.3'].flatMap((from) => [from, from]).map((from) => opened(port, from)),
    )
    // One more of an address is refused; by then the others have been let in.
    await closed(connect({ port, host: '127.0.0.1', localAddress: '127.0.0.2' }))
    clock.advance(1_000)
    expect(await get(port)).toBe('hello')
    expect(silent.filter(({ destroyed }) => destroyed)).toEqual([])
    const ends = silent.map(closed)
    clock.advance(10_000)
    await Promise.all(ends)
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
    const socket = await secure(port)
    socket.pause()
    socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
    await asked
    const end = closed(socket)
    clock.advance(30_000)
    await end
  })

  it('cuts off a request that does not arrive, begun or not', async () => {
    const port = await serve({ limits: { requestTimeoutMs: 100 } })
    const silent = await secure(port)
    const slow = await secure(port)
    slow.write('GET / HTTP/1.1\r\nhost: x\r\n')
    const unfinished = await secure(port)
    unfinished.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhalf')
    await Promise.all([silent, slow, unfinished].map(closed))
  })

  it('does not read a head that is too large, nor what is not HTTP', async () => {
    const port = await serve({ limits: { maxHeadBytes: 1024 } })
    for (const text of [
      `GET / HTTP/1.1\r\nhost: ${'x'.repeat(2048)}\r\n\r\n`,
      'nonsense\r\n\r\n',
    ]) {
      const socket = await secure(port)
      socket.write(text)
      await closed(socket)
    }
  })

  it('answers a certificate authority that asks for a proof, and others meanwhile [RFC 8737 3]', async () => {
    const certificate = {
      current: () => named,
      isChallenged: true,
      findChallenge: (name: string) => (name === 'localhost' ? other : undefined),
    }
    const port = await serve({ certificate })
    const authority = await secure(port, { ALPNProtocols: ['acme-tls/1'] })
    expect(authority.alpnProtocol).toBe('acme-tls/1')
    expect(authority.getPeerX509Certificate()?.toString()).toBe(other.cert)
    authority.destroy()
    expect(await get(port)).toBe('hello')
    await expect(secure(port, { ALPNProtocols: ['h2'] })).rejects.toThrow()
  })

  it('cuts off who asks for a proof of another name, and who never says hello', async () => {
    const certificate = { current: () => named, isChallenged: true, findChallenge: () => undefined }
    const port = await serve({ certificate })
    await expect(secure(port, { ALPNProtocols: ['acme-tls/1'] })).rejects.toThrow()
    const noise = connect(port, '127.0.0.1')
    noise.write('GET / HTTP/1.1\r\nhost: somewhere\r\n\r\n'.padEnd(20_000))
    await closed(noise)
  })
})

describe('a ClientHello', () => {
  it('says which host and protocols the client wants, and is nothing when cut or changed', async () => {
    const record = await firstBytes()
    expect(readClientHello(record)).toEqual({
      serverName: 'some.example',
      protocols: ['acme-tls/1', 'h2'],
    })
    for (let length = 0; length < record.length; length++) {
      expect(readClientHello(record.subarray(0, length))).toBeUndefined()
    }
    for (let at = 0; at < record.length; at++) {
      const changed = Buffer.from(record)
      changed[at] = 0xff
      expect(() => readClientHello(changed)).not.toThrow()
    }
  })
})

/** What a client sends first. */
async function firstBytes(): Promise<Buffer> {
  const server = createServer()
  await scene.listen(server)
  const first = new Promise<Buffer>((resolve) => {
    server.once('connection', (socket) => {
      socket.on('error', () => {})
      socket.once('data', (bytes) => {
        resolve(bytes)
        socket.destroy()
      })
    })
  })
  const { port } = server.address() as AddressInfo
  const options = { servername: 'Some.example', ALPNProtocols: ['acme-tls/1', 'h2'] }
  connectTls({ port, host: '127.0.0.1', ...options }).on('error', () => {})
  return await first
}
