import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@mini-spire/runtime/clock'
import { parseConfig } from '@mini-spire/runtime/config/parse'
import { readPlugins } from '@mini-spire/runtime/config/read-plugins'
import {
  type ClientOf,
  createClient,
  type GrpcChannel,
  openSvidChannel,
  openUnixChannel,
} from '@mini-spire/runtime/grpc/client'
import { createLogger } from '@mini-spire/runtime/log/create-logger'
import {
  AgentService,
  type AttestAgentRequest,
  type AttestAgentResponse,
} from '@mini-spire/runtime/proto/spire/api/server/agent/v1/agent'
import { BundleService } from '@mini-spire/runtime/proto/spire/api/server/bundle/v1/bundle'
import { EntryService } from '@mini-spire/runtime/proto/spire/api/server/entry/v1/entry'
import { SVIDService } from '@mini-spire/runtime/proto/spire/api/server/svid/v1/svid'
import type { Bundle } from '@mini-spire/runtime/proto/spire/api/types/bundle'
import type { Entry } from '@mini-spire/runtime/proto/spire/api/types/entry'
import type { X509SVID } from '@mini-spire/runtime/proto/spire/api/types/x509svid'
import { buildCsr } from '@mini-spire/runtime/x509/csr'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import type { TestCa } from '@mini-spire/sdk/testing'
import type { ResolvedServerConfig } from '@mini-spire/server/config/resolved-config'
import { Server } from '@mini-spire/server/server'
import { freePort } from '../kit/processes.ts'
import { quietTelemetry } from '../kit/quiet-telemetry.ts'

/** Settings that differ from a plain server's. */
export interface ServerSceneOptions {
  readonly config?: Partial<ResolvedServerConfig>
  /** Plugins beside the store and the key manager, as HCL. */
  readonly plugins?: string
}

/** Every service of a server that these tests call, over one channel. */
export interface ServerClients {
  readonly channel: GrpcChannel
  readonly agents: ClientOf<typeof AgentService>
  readonly entries: ClientOf<typeof EntryService>
  readonly svids: ClientOf<typeof SVIDService>
  readonly bundles: ClientOf<typeof BundleService>
}

/** The bundle of another trust domain, as it is put into a server: one root and no more. */
export function foreignBundle({ trustDomain, certificate }: TestCa): Bundle {
  return {
    trustDomain: trustDomain.name,
    x509Authorities: [{ asn1: certificate.raw, tainted: false }],
    jwtAuthorities: [],
    witAuthorities: [],
    refreshHint: 0n,
    sequenceNumber: 0n,
  }
}

const timeoutMs = 50_000
const trustDomain = TrustDomain.parse('example.org')

function clientsOver(channel: GrpcChannel): ServerClients {
  return {
    channel,
    agents: createClient(AgentService, channel),
    entries: createClient(EntryService, channel),
    svids: createClient(SVIDService, channel),
    bundles: createClient(BundleService, channel),
  }
}

/** A server in this process, in a folder of its own: stop it, start it again, and it finds what it left. */
export class ServerScene implements AsyncDisposable {
  readonly folder: string
  readonly log: string[] = []
  readonly #options: ServerSceneOptions
  readonly #channels: GrpcChannel[] = []
  #server: Server | undefined
  #port = 0

  private constructor(options: ServerSceneOptions) {
    this.folder = mkdtempSync(join(tmpdir(), 'mini-spire-server-'))
    this.#options = options
  }

  static async start(options: ServerSceneOptions = {}): Promise<ServerScene> {
    const scene = new ServerScene(options)
    await scene.restart()
    return scene
  }

  get port(): number {
    return this.#port
  }

  /** Stops the server if it runs, and starts it on the same folder, this time with other settings if any are given. */
  async restart(change: Partial<ResolvedServerConfig> = {}): Promise<void> {
    await this.stop()
    // Not one that a connection could have taken when this server comes back.
    this.#port ||= await freePort()
    const destination = { isTerminal: false, write: (line: string) => this.log.push(line) }
    const log = createLogger({ format: 'json', level: 'debug', destination, clock: systemClock })
    this.#server = new Server({ ...this.#config(), ...change }, { log, version: 'test' })
    await this.#server.start()
  }

  async stop(): Promise<void> {
    for (const channel of this.#channels.splice(0)) channel.close()
    await this.#server?.stop()
  }

  /** Clients on the local socket. */
  local(): ServerClients {
    return this.#opened(openUnixChannel(join(this.folder, 'api.sock')))
  }

  /** Clients over TCP, with a client certificate or without one. */
  remote(identity?: AgentIdentity): ServerClients {
    const channel = openSvidChannel({
      address: '127.0.0.1',
      port: this.#port,
      svid: () => identity,
      verifyServer: () => {},
    })
    return this.#opened(channel)
  }

  /** Attests with a fresh join token; the identity is the new agent's. */
  async join(token?: string): Promise<AgentIdentity> {
    const local = this.local()
    const value =
      token ??
      (await local.agents.createJoinToken({ ttl: 600, token: '', agentId: undefined })).value
    return await attest(this.remote(), 'join_token', Buffer.from(value))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
    rmSync(this.folder, { recursive: true, force: true })
  }

  #opened(channel: GrpcChannel): ServerClients {
    this.#channels.push(channel)
    return clientsOver(channel)
  }

  #config(): ResolvedServerConfig {
    const plugins = `
      DataStore "level" { plugin_data {} }
      KeyManager "disk" { plugin_data { keys_path = "${this.folder}/keys.json" } }
      ${this.#options.plugins ?? ''}`
    const noLog = { file: undefined, level: 'debug', format: 'json', hasSourceLocation: false }
    return {
      trustDomain,
      dataDir: join(this.folder, 'data'),
      bindAddress: '127.0.0.1',
      bindPort: this.#port,
      socketPath: join(this.folder, 'api.sock'),
      adminIds: [],
      agentTtlMs: undefined,
      isAuditLogEnabled: true,
      caKeyType: 'ec-p256',
      jwtKeyType: 'ec-p256',
      witKeyType: undefined,
      caSubject: { country: ['US'], organization: ['SPIFFE'], commonName: '' },
      caTtlMs: 24 * 3_600_000,
      defaultX509SvidTtlMs: 3_600_000,
      defaultJwtSvidTtlMs: 300_000,
      areJwtSvidsDisabled: false,
      jwtIssuer: '',
      witIssuer: '',
      log: noLog as ResolvedServerConfig['log'],
      maxAttestedNodeInfoStalenessMs: 0,
      proxyProtocolTrustedCidrs: [],
      nodePruning: undefined,
      rateLimit: { attestation: false, signing: true },
      federation: { bundleEndpoint: undefined, federatesWith: [], redirectsMayLeadTo: [] },
      oidcDiscovery: undefined,
      tokenExchange: undefined,
      experimental: {
        usesAgentSpiffeIdAsSelector: false,
        cacheReloadIntervalMs: undefined,
        fullCacheReloadIntervalMs: undefined,
        usesEventsBasedCache: false,
        pruneEventsOlderThanMs: undefined,
        eventTimeoutMs: undefined,
        featureFlags: [],
        requiresPqKem: false,
      },
      profiling: { isEnabled: false, port: 0, frequency: 0, names: [] },
      plugins: readPlugins(parseConfig(plugins)),
      telemetry: quietTelemetry,
      healthChecks: {
        isListenerEnabled: false,
        bindAddress: 'localhost',
        bindPort: '80',
        livePath: '/live',
        readyPath: '/ready',
      },
      ...this.#options.config,
    }
  }
}

/** An agent's certificate and the key that belongs to it. */
export interface AgentIdentity {
  readonly id: string
  readonly key: KeyObject
  readonly chain: readonly Uint8Array[]
}

/** A signing request for a new key. */
export async function newCsr(): Promise<{ readonly csr: Uint8Array; readonly key: KeyObject }> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return { csr: await buildCsr({ key: privateKey, subject: {} }), key: privateKey }
}

/** The identity in an answer. */
export function identityOf(svid: X509SVID | undefined, key: KeyObject): AgentIdentity {
  if (!svid?.id) throw new Error('there is no SVID in the answer')
  return { id: `spiffe://${svid.id.trustDomain}${svid.id.path}`, key, chain: svid.certChain }
}

/** Attests over a stream; challenges are answered by the given function. */
export async function attest(
  clients: ServerClients,
  type: string,
  payload: Uint8Array,
  answer?: (challenge: Uint8Array) => Uint8Array,
): Promise<AgentIdentity> {
  const { csr, key } = await newCsr()
  const outgoing = new Outgoing()
  const params = { data: { type, payload }, params: { csr } }
  outgoing.send({ step: { $case: 'params', params } })
  for await (const message of clients.agents.attestAgent(outgoing.messages(), { timeoutMs })) {
    const svid = await takeStep(message, outgoing, answer)
    if (svid) return identityOf(svid, key)
  }
  throw new Error('the stream ended without a result')
}

async function takeStep(
  { step }: AttestAgentResponse,
  outgoing: Outgoing,
  answer: ((challenge: Uint8Array) => Uint8Array) | undefined,
): Promise<X509SVID | undefined> {
  if (step?.$case === 'result') return step.result.svid
  if (step?.$case !== 'challenge' || !answer) throw new Error('an unexpected challenge')
  outgoing.send({ step: { $case: 'challengeResponse', challengeResponse: answer(step.challenge) } })
  return undefined
}

/** The agent's side of a stream: what is sent now or later. */
class Outgoing {
  readonly #queue: AttestAgentRequest[] = []
  #wake: () => void = () => {}

  send(message: AttestAgentRequest): void {
    this.#queue.push(message)
    this.#wake()
  }

  async *messages(): AsyncGenerator<AttestAgentRequest, void> {
    for (;;) {
      const next = this.#queue.shift()
      if (next) yield next
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
    }
  }
}

/** An entry as a client sends it. */
export function entryOf(parentId: string, path: string, change: Partial<Entry> = {}): Entry {
  const parent = parentId.replace('spiffe://example.org', '')
  return {
    id: '',
    spiffeId: { trustDomain: 'example.org', path },
    parentId: { trustDomain: 'example.org', path: parent },
    selectors: [{ type: 'unix', value: 'uid:1000' }],
    x509SvidTtl: 0,
    jwtSvidTtl: 0,
    federatesWith: [],
    admin: false,
    downstream: false,
    expiresAt: 0n,
    dnsNames: [],
    revisionNumber: 0n,
    storeSvid: false,
    hint: '',
    createdAt: 0n,
    additionalAttributes: undefined,
    ...change,
  } as Entry
}

/** Attests with a join token at a server of another process. */
export async function attestAt(port: number, token: string): Promise<AgentIdentity> {
  using channel = openSvidChannel({
    address: '127.0.0.1',
    port,
    svid: () => undefined,
    verifyServer: () => {},
  })
  return await attest(clientsOver(channel), 'join_token', Buffer.from(token))
}
