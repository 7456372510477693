import { writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import { type Daemon, freePort, type Program, type Scene } from './processes.ts'

/** An answer of a provider. */
export interface ProviderAnswer {
  readonly status: number | undefined
  readonly body: string
}

/** What a provider is started with. */
export interface OidcProviderOptions {
  readonly program: Program
  /** Lines of its configuration that say where its keys are. */
  readonly source: string
  readonly settings?: string
}

/** An OIDC provider that serves plain HTTP on a socket file, with health checks. */
export class OidcProviderDeployment {
  readonly daemon: Daemon
  readonly socket: string
  readonly healthPort: number

  private constructor(daemon: Daemon, socket: string, healthPort: number) {
    this.daemon = daemon
    this.socket = socket
    this.healthPort = healthPort
  }

  /** Starts it, and waits until it serves. */
  static async start(scene: Scene, options: OidcProviderOptions): Promise<OidcProviderDeployment> {
    const socket = scene.path('oidc.sock')
    const healthPort = await freePort()
    writeFileSync(
      scene.path('oidc.conf'),
      `log_level = "debug"
domains = ["oidc.test"]
listen_socket_path = "${socket}"
health_checks { bind_port = ${healthPort} }
${options.source}
${options.settings ?? ''}
`,
    )
    const daemon = scene.start(options.program, ['-config', scene.path('oidc.conf')])
    await daemon.waitFor('Serving HTTP')
    return new OidcProviderDeployment(daemon, socket, healthPort)
  }

  async get(path: string): Promise<ProviderAnswer> {
    return await ask({ socketPath: this.socket, path, headers: { host: 'oidc.test' } })
  }

  async health(path: '/ready' | '/live'): Promise<number | undefined> {
    return (await ask({ host: '127.0.0.1', port: this.healthPort, path })).status
  }

  /** The IDs of the keys that are shown. */
  async kids(): Promise<readonly string[]> {
    const { status, body } = await this.get('/keys')
    if (status !== 200) return []
    return JSON.parse(body).keys.map(({ kid }: { kid: string }) => kid)
  }

  /** Asks until the keys are these. */
  async untilKids(wanted: readonly string[]): Promise<void> {
    const name = [...wanted].sort().join()
    const deadlineMs = performance.now() + 60_000
    while (performance.now() < deadlineMs) {
      if ([...(await this.kids())].sort().join() === name) return
      await pause(50)
    }
    throw new Error(`shows ${await this.kids()}, not ${name}: ${this.daemon.lastWords}`)
  }
}

function ask(options: {
  readonly socketPath?: string
  readonly host?: string
  readonly port?: number
  readonly path: string
  readonly headers?: Record<string, string>
}): Promise<ProviderAnswer> {
  return new Promise((resolve, reject) => {
    const sent = request({ ...options, agent: false }, (response) => {
      text(response).then((body) => resolve({ status: response.statusCode, body }), reject)
    })
    sent.once('error', reject)
    sent.end()
  })
}
