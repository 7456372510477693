import { writeFileSync } from 'node:fs'
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, connect, isIP, type Server, type Socket } from 'node:net'
import { createSecureContext, type SecureContext } from 'node:tls'
import { issue } from '@mini-spire/runtime/http/http.test-kit'
import type { Scene } from './processes.ts'

/**
 * Hosts of the internet, on this machine: over TLS, with certificates of test roots, and in the clear. A process reaches
 * them as it would reach the real ones, through a proxy, by {@link FakeHosts.environment}.
 */
export class FakeHosts {
  /** For a process that asks them. */
  readonly environment: Readonly<Record<'HTTP_PROXY' | 'HTTPS_PROXY' | 'SSL_CERT_FILE', string>>
  /** Where they listen in the clear: `127.0.0.1:<port>`; the Host header says which of them is meant. */
  readonly address: string

  private constructor(port: number, roots: string) {
    this.address = `127.0.0.1:${port}`
    const proxy = `http://${this.address}`
    this.environment = { HTTP_PROXY: proxy, HTTPS_PROXY: proxy, SSL_CERT_FILE: roots }
  }

  /**
   * Starts them for as long as the scene lasts.
   *
   * @param hosts what each of them answers, by name or address
   */
  static async start(
    scene: Scene,
    hosts: Readonly<Record<string, RequestListener>>,
  ): Promise<FakeHosts> {
    const names = Object.keys(hosts).filter((name) => isIP(name) === 0)
    const issued = await Promise.all(names.map((name) => issue(name)))
    const contexts = new Map(
      names.map((name, index) => [name, createSecureContext(issued[index])] as const),
    )
    const roots = scene.path('fake-hosts.pem')
    writeFileSync(roots, issued.map(({ root }) => root).join(''))
    const answer = dispatch(hosts)
    const secure = createTlsServer({ SNICallback: contextFor(contexts) }, answer)
    const securePort = await listen(scene, secure)
    const plain = createServer(answer).on('connect', (_, client: Socket) => {
      tunnel(client, securePort)
    })
    return new FakeHosts(await listen(scene, plain), roots)
  }
}

/** A request to a proxy names the host in its URL, any other in its Host header. */
function dispatch(hosts: Readonly<Record<string, RequestListener>>): RequestListener {
  return (request: IncomingMessage, response: ServerResponse) => {
    const url = request.url ?? '/'
    const isToProxy = URL.canParse(url)
    const host = isToProxy ? new URL(url).hostname : (request.headers.host ?? '').split(':')[0]
    if (isToProxy) request.url = url.slice(new URL(url).origin.length)
    const listener = hosts[host ?? '']
    if (listener) listener(request, response)
    else response.writeHead(502).end()
  }
}

type SniCallback = (
  name: string,
  done: (error: Error | null, context?: SecureContext) => void,
) => void

function contextFor(contexts: ReadonlyMap<string, SecureContext>): SniCallback {
  return (name, done) => {
    const context = contexts.get(name)
    if (context) done(null, context)
    else done(new Error(`no host ${name}`))
  }
}

/** Behind the proxy, every host is the one at this port. */
function tunnel(client: Socket, port: number): void {
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
}

async function listen(scene: Scene, server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  scene.defer(async () => {
    server.close()
  })
  return (server.address() as AddressInfo).port
}
