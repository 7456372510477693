import { createPublicKey, X509Certificate } from 'node:crypto'
import { systemClock } from '@mini-spire/runtime/clock'
import { ApiError } from '@mini-spire/runtime/grpc/api-error'
import type { CallContext } from '@mini-spire/runtime/grpc/call-context'
import { GrpcHost } from '@mini-spire/runtime/grpc/host'
import {
  bindService,
  type HandlersOf,
  notImplemented,
  type ServiceDefinition,
} from '@mini-spire/runtime/grpc/service'
import { silentLogger } from '@mini-spire/runtime/log/logger'
import {
  AgentService,
  type AttestAgentRequest,
  type AttestAgentResponse,
  type RenewAgentRequest,
} from '@mini-spire/runtime/proto/spire/api/server/agent/v1/agent'
import { BundleService } from '@mini-spire/runtime/proto/spire/api/server/bundle/v1/bundle'
import {
  EntryService,
  type SyncAuthorizedEntriesRequest,
  type SyncAuthorizedEntriesResponse,
} from '@mini-spire/runtime/proto/spire/api/server/entry/v1/entry'
import {
  type BatchNewX509SVIDRequest,
  type NewJWTSVIDRequest,
  SVIDService,
} from '@mini-spire/runtime/proto/spire/api/server/svid/v1/svid'
import type { Bundle } from '@mini-spire/runtime/proto/spire/api/types/bundle'
import { Entry } from '@mini-spire/runtime/proto/spire/api/types/entry'
import {
  PermissionDeniedDetails,
  PermissionDeniedDetails_Reason as Reason,
} from '@mini-spire/runtime/proto/spire/api/types/status'
import { parseCsr } from '@mini-spire/runtime/x509/csr'
import { TestCa } from '@mini-spire/sdk/testing'
import { pemEncode } from '@mini-spire/sdk/x509'
import { freePort } from './processes.ts'

const agentPath = '/spire/agent/test/one'

/** What a {@link FakeServer} does that a test may want otherwise. */
export interface FakeServerOptions {
  /** @default 3600 */
  readonly svidTtlSeconds?: number
  /** @default true */
  readonly isReattestable?: boolean
  /** More entries than this are listed by revision first. @default 500 */
  readonly pageSize?: number
  /** Where to listen. @default any free port */
  readonly port?: number
}

/** A server that speaks SPIRE's agent-facing API over real gRPC and TLS, and keeps nothing. */
export class FakeServer implements AsyncDisposable {
  readonly options: FakeServerOptions
  ca: TestCa = TestCa.create('example.org')
  /** Roots that agents are told of beside the current one. */
  readonly oldRoots: { readonly certificate: Uint8Array; readonly tainted: boolean }[] = []
  readonly entries: Map<string, Entry> = new Map()
  isKnown = false
  isBanned = false
  /** Names of the methods that were called, in order. */
  readonly calls: string[] = []
  readonly requestedIds: string[] = []
  #host: GrpcHost<CallContext> | undefined
  #port = 0

  constructor(options: FakeServerOptions = {}) {
    this.options = options
  }

  get port(): number {
    return this.#port
  }

  get bundlePem(): string {
    return pemEncode('CERTIFICATE', this.ca.certificate.raw)
  }

  count(method: string): number {
    return this.calls.filter((name) => name === method).length
  }

  /** Adds or replaces an entry; each time with a new revision. */
  setEntry(id: string, path: string, more: Partial<Entry> = {}): void {
    const before = this.entries.get(id)
    this.entries.set(id, {
      ...Entry.fromPartial({}),
      id,
      spiffeId: { trustDomain: 'example.org', path },
      selectors: [{ type: 'unix', value: `uid:${process.geteuid?.()}` }],
      revisionNumber: (before?.revisionNumber ?? -1n) + 1n,
      ...more,
    })
  }

  async start(): Promise<void> {
    const hooks = { before: (call: CallContext) => this.#admit(call), after: () => {} }
    const services = [
      this.#bind(AgentService, {
        attestAgent: (_, requests) => this.#attest(requests),
        renewAgent: (_, request) => this.#renew(request),
        postStatus: () => ({}),
      }),
      this.#bind(BundleService, { getBundle: () => this.#bundle() }),
      this.#bind(EntryService, { syncAuthorizedEntries: (_, requests) => this.#sync(requests) }),
      this.#bind(SVIDService, {
        batchNewX509Svid: (_, request) => this.#signX509(request),
        newJwtsvid: (_, request) => this.#signJwt(request),
      }),
    ]
    this.#host = new GrpcHost({ services, hooks, clock: systemClock, log: silentLogger })
    const { port } = await this.#host.listenTls({
      host: '127.0.0.1',
      // Not one that a connection could have taken when this server comes back.
      port: this.#port || (this.options.port ?? (await freePort())),
      credentials: () => this.#credentials(),
      verifyClient: (chain) => ({ spiffeId: uriOf(chain[0] as Uint8Array) }),
    })
    this.#port = port
  }

  /** Goes away; {@link FakeServer.start} comes back at the same port. */
  async stop(): Promise<void> {
    await this.#host?.stop(0)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  #bind<D extends ServiceDefinition>(
    definition: D,
    handlers: Partial<HandlersOf<D, CallContext>>,
  ): ReturnType<typeof bindService<CallContext, D>> {
    const all = Object.fromEntries(
      Object.keys(definition).map((name) => [
        name,
        handlers[name as keyof D] ?? notImplemented(name),
      ]),
    )
    return bindService(definition, all as HandlersOf<D, CallContext>)
  }

  #credentials(): { key: TestCa['privateKey']; cert: string } {
    const { chain, privateKey } = this.ca.issueX509Svid('/spire/server')
    return { key: privateKey, cert: chain.map(({ raw }) => pemEncode('CERTIFICATE', raw)).join('') }
  }

  #admit(call: CallContext): CallContext {
    const name = call.method.split('/').at(-1) as string
    this.calls.push(name)
    if (name === 'AttestAgent' || name === 'GetBundle') return call
    if (this.isBanned) throw denied(Reason.AGENT_BANNED)
    const spiffeId = call.peer.kind === 'tls' ? call.peer.spiffeId : undefined
    if (!this.isKnown || spiffeId !== `spiffe://example.org${agentPath}`)
      throw denied(Reason.AGENT_NOT_ATTESTED)
    return call
  }

  async *#attest(
    requests: AsyncIterable<AttestAgentRequest>,
  ): AsyncGenerator<AttestAgentResponse, void, undefined> {
    for await (const { step } of requests) {
      if (this.isBanned) throw denied(Reason.AGENT_BANNED)
      if (step?.$case !== 'params') throw new ApiError('invalid-argument', 'expected params')
      const svid = this.#issue(step.params.params?.csr ?? new Uint8Array(), agentPath)
      this.isKnown = true
      const reattestable = this.options.isReattestable ?? true
      yield { step: { $case: 'result', result: { svid, reattestable } } }
      return
    }
  }

  #renew({ params }: RenewAgentRequest) {
    return { svid: this.#issue(params?.csr ?? new Uint8Array(), agentPath) }
  }

  #issue(csr: Uint8Array, path: string) {
    const publicKey = createPublicKey({
      key: Buffer.from(parseCsr(csr).spki),
      format: 'der',
      type: 'spki',
    })
    const ttlSeconds = this.options.svidTtlSeconds ?? 3600
    const uris = [`spiffe://example.org${path}`]
    const certChain = [...this.ca.issueChain({ publicKey, ttlSeconds, uris })]
    return { certChain, id: { trustDomain: 'example.org', path }, expiresAt: 0n, hint: '' }
  }

  #bundle(): Bundle {
    const roots = [{ certificate: this.ca.certificate.raw, tainted: false }, ...this.oldRoots]
    return {
      trustDomain: 'example.org',
      x509Authorities: roots.map(({ certificate, tainted }) => ({ asn1: certificate, tainted })),
      jwtAuthorities: [
        {
          keyId: this.ca.jwtKeyId,
          publicKey: createPublicKey(this.ca.jwtKey).export({ type: 'spki', format: 'der' }),
          expiresAt: 0n,
          tainted: false,
        },
      ],
      refreshHint: 0n,
      sequenceNumber: 0n,
      witAuthorities: [],
    }
  }

  async *#sync(
    requests: AsyncIterable<SyncAuthorizedEntriesRequest>,
  ): AsyncGenerator<SyncAuthorizedEntriesResponse, void, undefined> {
    const { pageSize = 500 } = this.options
    let isFirst = true
    for await (const { ids } of requests) {
      const all = [...this.entries.values()]
      if (!isFirst) {
        this.requestedIds.push(...ids)
        const entries = all.filter(({ id }) => ids.includes(id))
        yield { entryRevisions: [], entries, more: false }
        continue
      }
      isFirst = false
      if (all.length <= pageSize) {
        yield { entryRevisions: [], entries: all, more: false }
        return
      }
      for (let start = 0; start < all.length; start += pageSize) {
        const page = all.slice(start, start + pageSize)
        yield { entryRevisions: page, entries: [], more: start + pageSize < all.length }
      }
    }
  }

  #signX509({ params }: BatchNewX509SVIDRequest) {
    return {
      results: params.map(({ entryId, csr }) => {
        const path = this.entries.get(entryId)?.spiffeId?.path
        return path === undefined
          ? { status: { code: 5, message: 'entry not found or not authorized' }, svid: undefined }
          : { status: { code: 0, message: 'OK' }, svid: this.#issue(csr, path) }
      }),
    }
  }

  #signJwt({ entryId, audience }: NewJWTSVIDRequest) {
    const path = this.entries.get(entryId)?.spiffeId?.path
    if (path === undefined) throw new ApiError('not-found', 'entry not found or not authorized')
    const issuedAt = BigInt(Math.floor(systemClock.nowMs() / 1000))
    const token = this.ca.signJwtSvid(path, { audience, ttlSeconds: 300 })
    const id = { trustDomain: 'example.org', path }
    return { svid: { token, id, issuedAt, expiresAt: issuedAt + 300n, hint: '' } }
  }
}

function denied(reason: number): ApiError {
  const value = PermissionDeniedDetails.encode({ reason } as PermissionDeniedDetails).finish()
  const typeUrl = 'type.googleapis.com/spire.api.types.PermissionDeniedDetails'
  return new ApiError('permission-denied', 'agent is not allowed', {
    details: [{ typeUrl, value }],
  })
}

function uriOf(certificate: Uint8Array): string {
  return new X509Certificate(certificate).subjectAltName?.replace(/^URI:/, '') ?? ''
}
