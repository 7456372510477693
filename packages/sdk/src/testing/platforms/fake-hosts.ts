import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import { connect, isIP, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FakeHost } from './fake-host.ts'

/**
 * Hosts of the internet, on this machine: over TLS, with certificates of test roots, and in the clear. A process reaches
 * them as it would reach the real ones, through a proxy, by {@link FakeHosts.environment}; every other host is refused.
 *
 * @example
 * await using hosts = await FakeHosts.start({ 'keys.example.org': (_, response) => response.end('{}') })
 * spawn('my-verifier', { env: { ...process.env, ...hosts.environment } })
 * hosts.get('keys.example.org').fault = 'silent'
 */
export class FakeHosts implements AsyncDisposable {
  /** For a process that asks them; it trusts nobody else then, the authorities of this machine included. */
  readonly environment: Readonly<
    Record<'HTTP_PROXY' | 'HTTPS_PROXY' | 'SSL_CERT_FILE' | 'SSL_CERT_DIR', string>
  >
  readonly #hosts: ReadonlyMap<string, FakeHost>
  readonly #proxy: FakeHost
  readonly #folder: string

  private constructor(hosts: ReadonlyMap<string, FakeHost>, proxy: FakeHost, folder: string) {
    this.#hosts = hosts
    this.#proxy = proxy
    this.#folder = folder
    const url = `http://127.0.0.1:${proxy.port}`
    this.environment = {
      HTTP_PROXY: url,
      HTTPS_PROXY: url,
      SSL_CERT_FILE: join(folder, 'roots.pem'),
      SSL_CERT_DIR: join(folder, 'none'),
    }
  }

  /**
   * Starts them, until they are disposed.
   *
   * @param listeners what each of them answers, by name or address; an address is served in the clear only
   */
  static async start(listeners: Readonly<Record<string, RequestListener>>): Promise<FakeHosts> {
    const hosts = new Map<string, FakeHost>()
    const roots: string[] = []
    for (const [name, listener] of Object.entries(listeners)) {
      if (isIP(name) !== 0) hosts.set(name, await FakeHost.http(listener))
      else {
        const { host, root } = await FakeHost.https(name, listener)
        hosts.set(name, host)
        roots.push(root)
      }
    }
    const folder = await mkdtemp(join(tmpdir(), 'fake-hosts-'))
    await writeFile(join(folder, 'roots.pem'), roots.join(''))
    const tunnels = createServer().on('connect', ({ url = '' }, client: Socket) => {
      tunnel(client, hosts.get(url.split(':')[0] ?? '')?.port)
    })
    const proxy = await FakeHost.over(tunnels, dispatch(hosts))
    return new FakeHosts(hosts, proxy, folder)
  }

  /** One of them, to be told to misbehave, over TLS and in the clear. */
  get(name: string): FakeHost {
    const host = this.#hosts.get(name)
    if (!host) throw new Error(`no host ${name}`)
    return host
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const host of [this.#proxy, ...this.#hosts.values()]) await host[Symbol.asyncDispose]()
    await rm(this.#folder, { recursive: true, force: true })
  }
}

/** What is asked in the clear: a proxy is told the whole URL. */
function dispatch(hosts: ReadonlyMap<string, FakeHost>): RequestListener {
  return (request, response) => {
    const { url = '' } = request
    const { hostname, origin } = URL.canParse(url) ? new URL(url) : { hostname: '', origin: '' }
    request.url = url.slice(origin.length)
    const host = hosts.get(hostname)
    if (host) host.answer(request, response)
    else response.writeHead(502).end()
  }
}

function tunnel(client: Socket, port: number | undefined): void {
  if (port === undefined) {
    client.end('HTTP/1.1 502 Bad Gateway\r\n\r\n')
    return
  }
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
