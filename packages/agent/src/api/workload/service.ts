import type { Clock } from '@mini-spire/runtime/clock'
import { ApiError } from '@mini-spire/runtime/grpc/api-error'
import type { CallContext } from '@mini-spire/runtime/grpc/call-context'
import { bindService, type ServiceBinding } from '@mini-spire/runtime/grpc/service'
import type { LogFields, Logger } from '@mini-spire/runtime/log/logger'
import { messageOf } from '@mini-spire/sdk/errors'
import {
  type JWTSVIDRequest,
  type JWTSVIDResponse,
  SpiffeWorkloadAPIService,
  type ValidateJWTSVIDRequest,
  type ValidateJWTSVIDResponse,
} from '@mini-spire/sdk/internal/spiffe/workload/workload'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import type { WorkloadCache } from '../../cache/workload-cache.ts'
import type { WorkloadIdentity, WorkloadView } from '../../cache/workload-view.ts'
import type { JwtSvidFetcher } from '../../identity/fetch-jwt-svid.ts'
import { withoutHintClashes } from '../../identity/hints.ts'
import { watchView } from '../../identity/watch-view.ts'
import type { AgentEntry } from '../../model/agent-entry.ts'
import type { SelectorSet } from '../../model/selector-set.ts'
import type { TrustBundle } from '../../model/trust-bundle.ts'
import type { Callers } from '../callers.ts'
import { checkSpiffeId, fetchJwtSvids, missing } from '../fetch-jwt-svids.ts'
import {
  encodeJwtBundles,
  encodeX509Bundles,
  encodeX509Svids,
  jwtSvidsToProto,
  validatedToProto,
} from './convert.ts'
import { messages } from './messages.ts'
import { validateJwtSvid, visibleClaims } from './validate-jwt-svid.ts'
import { logJwtSvid, logX509Svids } from './workload-log.ts'

/** In the lines about callers that have an identity. */
const registered: LogFields = { registered: true }

/** Options of {@link WorkloadApi}. */
export interface WorkloadApiOptions {
  readonly callers: Callers
  readonly cache: WorkloadCache
  readonly jwtSvids: JwtSvidFetcher
  readonly requestSvids: () => void
  readonly trustDomain: TrustDomain
  /** Callers without identity get the own bundle. */
  readonly allowsUnauthenticatedVerifiers: boolean
  readonly allowedForeignJwtClaims: readonly string[]
  readonly clock: Clock
}

/** What a stream of X509-SVIDs says of a view. */
interface X509Answer {
  readonly encoded: Uint8Array
  readonly identities: readonly WorkloadIdentity[]
}

/** The SPIFFE Workload API: X.509 and JWT profiles [SPIFFE Workload API 5, 6]. */
export class WorkloadApi {
  readonly #options: WorkloadApiOptions
  readonly #allowedClaims: ReadonlySet<string>
  /** One encoding for all streams that show the same. */
  readonly #x509Answers = new WeakMap<WorkloadView, X509Answer>()
  readonly #x509Bundles = new WeakMap<WorkloadView, Uint8Array>()
  readonly #jwtBundles = new WeakMap<WorkloadView, Uint8Array>()

  constructor(options: WorkloadApiOptions) {
    this.#options = options
    this.#allowedClaims = new Set(options.allowedForeignJwtClaims)
  }

  /** The service, for a host. */
  bind(): ServiceBinding<CallContext> {
    return bindService(SpiffeWorkloadAPIService, {
      fetchX509Svid: (call: CallContext) => this.#watchX509Svids(call),
      fetchX509Bundles: (call: CallContext) =>
        this.#watchBundles(call, this.#x509Bundles, encodeX509Bundles),
      fetchJwtsvid: (call: CallContext, request: JWTSVIDRequest) =>
        this.#fetchJwtSvid(call, request),
      fetchJwtBundles: (call: CallContext) =>
        this.#watchBundles(call, this.#jwtBundles, encodeJwtBundles),
      validateJwtsvid: (call: CallContext, request: ValidateJWTSVIDRequest) =>
        this.#validate(call, request),
      fetchWitsvid: () => {
        throw new ApiError('unimplemented', messages.witSvidUnimplemented)
      },
      fetchWitBundles: () => {
        throw new ApiError('unimplemented', messages.witBundlesUnimplemented)
      },
    })
  }

  async *#watchX509Svids(call: CallContext): AsyncGenerator<Uint8Array, void, undefined> {
    const set = await this.#options.callers.admit(call)
    let last: Uint8Array | undefined
    for await (const view of watchView(this.#options, set, call.signal)) {
      if (view.identities.length === 0) throw this.#options.callers.noIdentity(call, set)
      const { encoded, identities } = this.#x509Answer(view, call)
      // An entry that is not signed yet changes the view, and nothing that is seen of it.
      if (last && Buffer.compare(last, encoded) === 0) continue
      last = encoded
      this.#options.callers.assertSame(call)
      if (!this.#options.callers.isOwn(call))
        logX509Svids(call.log, identities, this.#options.clock.nowMs(), { fields: registered })
      yield encoded
    }
  }

  #x509Answer(view: WorkloadView, call: CallContext): X509Answer {
    const known = this.#x509Answers.get(view)
    if (known) return known
    const identities = withoutHintClashes(view.identities, ({ entry }) => entry, call.log)
    const answer = { encoded: encodeX509Svids(view, identities), identities }
    this.#x509Answers.set(view, answer)
    return answer
  }

  async *#watchBundles(
    call: CallContext,
    answers: WeakMap<WorkloadView, Uint8Array>,
    encode: (bundles: readonly TrustBundle[]) => Uint8Array,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const set = await this.#options.callers.admit(call)
    let last: Uint8Array | undefined
    for await (const view of watchView(this.#options, set, call.signal)) {
      const hasIdentity = view.identities.length > 0
      if (!hasIdentity && !this.#options.allowsUnauthenticatedVerifiers)
        throw this.#options.callers.noIdentity(call, set)
      const answer = answers.get(view) ?? encode(bundlesOf(view))
      answers.set(view, answer)
      if (last && Buffer.compare(last, answer) === 0) continue
      last = answer
      this.#options.callers.assertSame(call)
      yield answer
    }
  }

  async #fetchJwtSvid(call: CallContext, request: JWTSVIDRequest): Promise<JWTSVIDResponse> {
    const { audience, spiffeId } = request
    if (audience.length === 0) throw missing(call, 'audience')
    if (spiffeId !== '') checkSpiffeId(call, spiffeId)
    const set = await this.#options.callers.admit(call)
    const entries = withoutHintClashes(this.#entriesFor(set), (entry) => entry, call.log).filter(
      (entry) => spiffeId === '' || entry.spiffeId.toString() === spiffeId,
    )
    if (entries.length === 0) throw this.#options.callers.noIdentity(call, set)
    const svids = await fetchJwtSvids(this.#options.jwtSvids, entries, audience, {
      log: call.log,
      fields: registered,
    })
    this.#options.callers.assertSame(call)
    const nowMs = this.#options.clock.nowMs()
    for (const given of svids) logJwtSvid(call.log, given, nowMs, registered)
    return jwtSvidsToProto(svids)
  }

  #entriesFor(set: SelectorSet): readonly AgentEntry[] {
    return this.#options.cache.matching(set)
  }

  async #validate(
    call: CallContext,
    { audience, svid: token }: ValidateJWTSVIDRequest,
  ): Promise<ValidateJWTSVIDResponse> {
    if (audience === '') throw missing(call, 'audience')
    if (token === '') throw missing(call, 'svid')
    const set = await this.#options.callers.attest(call)
    const { cache, clock, trustDomain } = this.#options
    const bundles = bundlesOf(cache.view(set))
    const log = call.log.with({ audience })
    const svid = logged(log, () => validateJwtSvid(token, { audience, bundles, now: clock.now() }))
    const claims = visibleClaims(svid, trustDomain, this.#allowedClaims)
    log.debug('Successfully validated JWT', { spiffe_id: svid.spiffeId.toString() })
    return validatedToProto(svid.spiffeId.toString(), claims)
  }
}

function bundlesOf(view: WorkloadView): readonly TrustBundle[] {
  return [view.bundle, ...view.federatedBundles]
}

/** Why a token is refused is said in the log as well; the token is not. */
function logged<T>(log: Logger, validate: () => T): T {
  try {
    return validate()
  } catch (error) {
    log.warn('Failed to validate JWT', { error: messageOf(error) })
    throw error
  }
}
