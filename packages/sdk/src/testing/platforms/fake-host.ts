import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, connect, type Server as NetServer, type Socket } from 'node:net'
import { pemEncode } from '../../x509/index.ts'
import { makeTestCertificate, testKeyId, testName } from '../certificate-maker.ts'

const yearMs = 365 * 86_400_000

/** How a host answers whatever it is asked, instead of what it should. */
export type HostFault =
  | 'unavailable'
  | 'forbidden'
  | 'empty'
  | 'garbage'
  | 'huge'
  | 'redirect'
  | 'silent'

/** Every fault that a {@link FakeHost} can have. */
export const hostFaults: readonly HostFault[] = [
  'unavailable',
  'forbidden',
  'empty',
  'garbage',
  'huge',
  'redirect',
  'silent',
]

const hugeBytes = 16 * 1024 * 1024

/** An HTTP or HTTPS server on a free port of the loopback address, which can be told to misbehave. */
export class FakeHost implements AsyncDisposable {
  /** What is wrong with its answers from now on; undefined: nothing. */
  fault: HostFault | undefined
  /** How often it has been asked for anything. */
  requests = 0
  readonly port: number
  readonly #server: NetServer
  readonly #sockets: ReadonlySet<Socket>

  private constructor(server: NetServer, port: number, sockets: ReadonlySet<Socket>) {
    this.#server = server
    this.port = port
    this.#sockets = sockets
  }

  /** Starts a server over plain HTTP. */
  static async http(listener: RequestListener): Promise<FakeHost> {
    return await FakeHost.#listen(createServer(), listener)
  }

  /** Starts a server over TLS that has a name of its own; `root` is whom its clients must trust. */
  static async https(
    name: string,
    listener: RequestListener,
  ): Promise<{ readonly host: FakeHost; readonly root: string }> {
    const { root, key, cert } = makeServerCertificate(name)
    return { host: await FakeHost.#listen(createTlsServer({ key, cert }), listener), root }
  }

  /** Starts a proxy behind which every host is the one at this port. */
  static async proxy(port: number): Promise<FakeHost> {
    return await FakeHost.#listen(createProxy(port))
  }

  static async #listen(server: Server, listener?: RequestListener): Promise<FakeHost> {
    const sockets = new Set<Socket>()
    server.on('connection', (socket: Socket) => {
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const host = new FakeHost(server, (server.address() as AddressInfo).port, sockets)
    if (listener) {
      server.on('request', (request, response) => {
        host.requests++
        if (host.fault === undefined) listener(request, response)
        else misbehave(host.fault, response)
      })
    }
    return host
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

function misbehave(fault: HostFault, response: ServerResponse): void {
  switch (fault) {
    case 'unavailable':
      response.writeHead(503).end()
      return
    case 'forbidden':
      response.writeHead(403).end('{"message":"forbidden"}')
      return
    case 'empty':
      response.end()
      return
    case 'garbage':
      response.end('no answer to anything')
      return
    case 'huge':
      response.end(Buffer.alloc(hugeBytes, 'x'))
      return
    case 'redirect':
      response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end()
      return
    case 'silent':
  }
}

/** A root, and the key and certificate of a server that it vouches for; PEM. */
function makeServerCertificate(name: string): {
  readonly root: string
  readonly key: string
  readonly cert: string
} {
  const [authority, server] = [1, 2].map(
    () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
  )
  if (!authority || !server) throw new Error('no keys')
  const now = Date.now()
  const life = { notBefore: new Date(now - yearMs), notAfter: new Date(now + yearMs) }
  const commonName = 'test root'
  const keyId = testKeyId(createPublicKey(authority))
  const issuer = { name: testName(commonName), privateKey: authority, keyId }
  const root = makeTestCertificate(issuer, {
    publicKey: createPublicKey(authority),
    commonName,
    isCa: true,
    keyUsage: ['keyCertSign'],
    ...life,
  })
  const cert = makeTestCertificate(issuer, {
    publicKey: createPublicKey(server),
    commonName: name,
    dnsNames: [name],
    isCa: false,
    keyUsage: ['digitalSignature'],
    extKeyUsage: ['1.3.6.1.5.5.7.3.1'],
    ...life,
  })
  return {
    root: pemEncode('CERTIFICATE', root),
    key: server.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: pemEncode('CERTIFICATE', cert),
  }
}

function createProxy(port: number): Server {
  return createServer().on('connect', (_, client: Socket) => {
    const upstream = connect(port, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n')
      client.pipe(upstream).pipe(client)
    })
    const end = (): void => {
      client.destroy()
      upstream.destroy()
    }
    client.on('error', end).on('close', end)
    upstream.on('error', end)
  })
}
