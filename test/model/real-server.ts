import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@mini-spire/runtime/clock'
import {
  type ClientOf,
  createClient,
  type GrpcChannel,
  GrpcError,
  openSvidChannel,
  openUnixChannel,
} from '@mini-spire/runtime/grpc/client'
import { createLogger } from '@mini-spire/runtime/log/create-logger'
import { noDestination } from '@mini-spire/runtime/log/destination'
import { AgentService } from '@mini-spire/runtime/proto/spire/api/server/agent/v1/agent'
import { BundleService } from '@mini-spire/runtime/proto/spire/api/server/bundle/v1/bundle'
import { EntryService } from '@mini-spire/runtime/proto/spire/api/server/entry/v1/entry'
import { buildCsr } from '@mini-spire/runtime/x509/csr'
import { loadServerConfig } from '@mini-spire/server/config/load'
import type { ServerFlags } from '@mini-spire/server/config/server-file'
import { Server } from '@mini-spire/server/server'

import { Daemon, freePort, ours } from '../kit/processes.ts'

/** The trust domain of every model run. */
export const trustDomain = 'model.test'

const noFlags: ServerFlags = {
  bindAddress: '',
  serverPort: 0,
  dataDir: '',
  logFile: '',
  logFormat: '',
  logLevel: '',
  logSourceLocation: false,
  socketPath: '',
  trustDomain: '',
}

/** Where the server runs: in this process, or in one of its own. */
export type Place = 'here' | 'process'

/** A real server on its real store, sockets and keys, that can be stopped and started. */
export class RealServer implements AsyncDisposable {
  readonly #folder = mkdtempSync(join(tmpdir(), 'mini-spire-model-'))
  readonly #csr: Uint8Array
  readonly #place: Place
  readonly #port: number
  #server: Server | undefined
  #daemon: Daemon | undefined
  #local: GrpcChannel | undefined
  #remote: GrpcChannel | undefined

  private constructor(csr: Uint8Array, port: number, place: Place) {
    this.#csr = csr
    this.#port = port
    this.#place = place
    writeFileSync(
      this.#path('server.conf'),
      `server {
  trust_domain = "${trustDomain}" data_dir = "${this.#path('data')}" socket_path = "${this.#path('api.sock')}"
  bind_address = "127.0.0.1" bind_port = ${port} ratelimit { attestation = false }
}
plugins {
  DataStore "level" {}
  KeyManager "disk" { plugin_data { keys_path = "${this.#path('keys.json')}" } }
}`,
    )
  }

  static async start(place: Place): Promise<RealServer> {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const csr = await buildCsr({ key: privateKey, subject: {} })
    const made = new RealServer(csr, await freePort(), place)
    await made.start()
    return made
  }

  get entries(): ClientOf<typeof EntryService> {
    return createClient(EntryService, this.#channel())
  }

  get agents(): ClientOf<typeof AgentService> {
    return createClient(AgentService, this.#channel())
  }

  get bundles(): ClientOf<typeof BundleService> {
    return createClient(BundleService, this.#channel())
  }

  async start(): Promise<void> {
    await (this.#place === 'here' ? this.#startHere() : this.#startProcess())
    this.#local = openUnixChannel(this.#path('api.sock'))
    this.#remote = openSvidChannel({
      address: '127.0.0.1',
      port: this.#port,
      svid: () => undefined,
      verifyServer: () => {},
    })
  }

  async stop(): Promise<void> {
    this.#local?.close()
    this.#remote?.close()
    await this.#server?.stop()
    const ended = await this.#daemon?.stop()
    if (ended) throw new Error(this.#daemon?.lastWords)
    this.#daemon = undefined
  }

  /** Attests with a join token, as an agent does, over TLS without an identity. */
  async attest(token: string): Promise<void> {
    if (!this.#remote) throw new Error('not started')
    const agent = createClient(AgentService, this.#remote)
    const params = {
      data: { type: 'join_token', payload: Buffer.from(token) },
      params: { csr: this.#csr },
    }
    const requests = (async function* () {
      yield { step: { $case: 'params' as const, params } }
    })()
    for await (const { step } of agent.attestAgent(requests)) {
      if (step?.$case !== 'result') throw new Error(`answered with ${step?.$case}`)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #startHere(): Promise<void> {
    const log = createLogger({
      format: 'plain',
      level: 'error',
      destination: noDestination,
      clock: systemClock,
    })
    const { config } = await loadServerConfig({
      path: this.#path('server.conf'),
      flags: noFlags,
      openLog: () => log,
    })
    this.#server = new Server(config, { log, version: 'model' })
    await this.#server.start()
  }

  async #startProcess(): Promise<void> {
    this.#daemon = new Daemon(ours.server, ['run', '-config', this.#path('server.conf')])
    await this.#daemon.waitFor('Starting Server APIs', { times: 2 })
  }

  #channel(): GrpcChannel {
    if (!this.#local) throw new Error('not started')
    return this.#local
  }

  #path(name: string): string {
    return join(this.#folder, name)
  }
}

/** The status a call was answered with. */
export async function statusOf(
  call: Promise<unknown>,
): Promise<{ readonly code: number; readonly message: string }> {
  try {
    await call
    return { code: 0, message: 'OK' }
  } catch (error) {
    if (error instanceof GrpcError) return { code: error.statusCode, message: error.statusMessage }
    throw error
  }
}
