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

import { freePort } from '../kit/processes.ts'

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

/** A real server in this process, on its real store, sockets and keys, that can be stopped and started. */
export class RealServer implements AsyncDisposable {
  readonly #folder = mkdtempSync(join(tmpdir(), 'mini-spire-model-'))
  readonly #csr: Uint8Array
  #server: Server | undefined
  #local: GrpcChannel | undefined
  #remote: GrpcChannel | undefined

  private constructor(csr: Uint8Array, port: number) {
    this.#csr = csr
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

  static async start(): Promise<RealServer> {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const csr = await buildCsr({ key: privateKey, subject: {} })
    const made = new RealServer(csr, await freePort())
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
    const { port } = await this.#server.start()
    this.#local = openUnixChannel(this.#path('api.sock'))
    this.#remote = openSvidChannel({
      address: '127.0.0.1',
      port,
      svid: () => undefined,
      verifyServer: () => {},
    })
  }

  async stop(): Promise<void> {
    this.#local?.close()
    this.#remote?.close()
    await this.#server?.stop()
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
