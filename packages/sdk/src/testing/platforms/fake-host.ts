import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
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
  readonly #server: Server
  readonly #listener: RequestListener
  readonly #sockets = new Set<Socket>()

  private constructor(server: Server, listener: RequestListener) {
    this.#server = server
    this.#listener = listener
    this.port = (server.address() as AddressInfo).port
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
    server.on('request', (request, response) => this.answer(request, response))
  }

  /** Starts a server over plain HTTP. */
  static async http(listener: RequestListener): Promise<FakeHost> {
    return await FakeHost.over(createServer(), listener)
  }

  /** Starts a server over TLS that has a name of its own; `root` is whom its clients must trust. */
  static async https(
    name: string,
    listener: RequestListener,
  ): Promise<{ readonly host: FakeHost; readonly root: string }> {
    const { root, key, cert } = makeServerCertificate(name)
    return { host: await FakeHost.over(createTlsServer({ key, cert }), listener), root }
  }

  /** Starts a server that has been made. */
  static async over(server: Server, listener: RequestListener): Promise<FakeHost> {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return new FakeHost(server, listener)
  }

  /** Answers a request that came another way. */
  answer(request: IncomingMessage, response: ServerResponse): void {
    this.requests++
    if (this.fault === undefined) this.#listener(request, response)
    else misbehave(this.fault, response)
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
