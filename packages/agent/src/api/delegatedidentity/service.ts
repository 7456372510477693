import type { Clock } from '@mini-spire/runtime/clock'
import { ApiError } from '@mini-spire/runtime/grpc/api-error'
import type { CallContext } from '@mini-spire/runtime/grpc/call-context'
import { bindService, type ServiceBinding } from '@mini-spire/runtime/grpc/service'
import {
  DelegatedIdentityService,
  type FetchJWTSVIDsRequest,
  type FetchJWTSVIDsResponse,
  type SubscribeToJWTBundlesResponse,
  type SubscribeToX509BundlesResponse,
  type SubscribeToX509SVIDsRequest,
  type SubscribeToX509SVIDsResponse,
} from '@mini-spire/runtime/proto/spire/api/agent/delegatedidentity/v1/delegatedidentity'
import type { Metrics } from '@mini-spire/runtime/telemetry/metrics'
import type { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import type { WorkloadCache } from '../../cache/workload-cache.ts'
import type { JwtSvidFetcher } from '../../identity/fetch-jwt-svid.ts'
import { watchView } from '../../identity/watch-view.ts'
import type { SelectorSet } from '../../model/selector-set.ts'
import type { TrustBundle } from '../../model/trust-bundle.ts'
import type { Callers } from '../callers.ts'
import { fetchJwtSvids, missing } from '../fetch-jwt-svids.ts'
import { firstSvidKey } from '../first-svid.ts'
import { byDomain, jwksOf, rootsOf } from '../workload/convert.ts'
import { isDelegable, jwtSvidToProto, selectorsFromProto, x509SvidsToProto } from './convert.ts'
import { messages } from './messages.ts'

/** Options of {@link DelegatedIdentityApi}. */
export interface DelegatedIdentityApiOptions {
  readonly callers: Callers
  readonly cache: WorkloadCache
  readonly jwtSvids: Pick<JwtSvidFetcher, 'fetch'>
  readonly requestSvids: () => void
  /** Who may ask for others. */
  readonly authorizedDelegates: readonly SpiffeId[]
  readonly metrics: Pick<Metrics, 'sample'>
  readonly clock: Clock
}

/**
 * The DelegatedIdentity service of the admin socket: a delegate gets the SVIDs of workloads whose selectors, or process, it
 * answers for. That it is one is decided by its own entries, anew at each answer.
 */
export class DelegatedIdentityApi {
  readonly #options: DelegatedIdentityApiOptions
  readonly #delegates: ReadonlySet<string>

  constructor(options: DelegatedIdentityApiOptions) {
    this.#options = options
    this.#delegates = new Set(options.authorizedDelegates.map(String))
  }

  /** The service, for a host. */
  bind(): ServiceBinding<CallContext> {
    return bindService(DelegatedIdentityService, {
      subscribeToX509SviDs: (call: CallContext, request: SubscribeToX509SVIDsRequest) =>
        this.#watchX509Svids(call, request),
      subscribeToX509Bundles: (call: CallContext) => this.#watchX509Bundles(call),
      fetchJwtsviDs: (call: CallContext, request: FetchJWTSVIDsRequest) =>
        this.#fetchJwtSvids(call, request),
      subscribeToJwtBundles: (call: CallContext) => this.#watchJwtBundles(call),
    })
  }

  async *#watchX509Svids(
    call: CallContext,
    request: SubscribeToX509SVIDsRequest,
  ): AsyncGenerator<SubscribeToX509SVIDsResponse, void, undefined> {
    const { clock, metrics } = this.#options
    const startedMs = clock.nowMs()
    const delegate = await this.#admit(call)
    const target = await this.#targetOf(call, request)
    let hasSvid = false
    for await (const view of watchView(this.#options, target, call.signal)) {
      if (!hasSvid && view.identities.length > 0) {
        hasSvid = true
        metrics.sample(firstSvidKey, clock.nowMs() - startedMs)
      }
      this.#assertDelegate(call, delegate)
      yield x509SvidsToProto(view)
    }
  }

  async *#watchX509Bundles(
    call: CallContext,
  ): AsyncGenerator<SubscribeToX509BundlesResponse, void, undefined> {
    for await (const bundles of this.#watchBundles(call))
      yield { caCertificates: byDomain(bundles, rootsOf) }
  }

  async *#watchJwtBundles(
    call: CallContext,
  ): AsyncGenerator<SubscribeToJWTBundlesResponse, void, undefined> {
    for await (const bundles of this.#watchBundles(call))
      yield { bundles: byDomain(bundles, jwksOf) }
  }

  /** All bundles there are, now and whenever one has changed. */
  async *#watchBundles(call: CallContext): AsyncGenerator<Iterable<TrustBundle>, void, undefined> {
    const { cache } = this.#options
    const delegate = await this.#admit(call)
    const subscription = cache.subscribeToBundles()
    try {
      do {
        this.#assertDelegate(call, delegate)
        yield cache.bundles.values()
      } while (await subscription.changed(call.signal))
    } finally {
      subscription.close()
    }
  }

  async #fetchJwtSvids(
    call: CallContext,
    request: FetchJWTSVIDsRequest,
  ): Promise<FetchJWTSVIDsResponse> {
    const { audience } = request
    if (audience.length === 0) throw missing(call, 'audience')
    const delegate = await this.#admit(call)
    const target = await this.#targetOf(call, request)
    const entries = this.#options.cache.matching(target).filter(isDelegable)
    if (entries.length === 0) throw this.#options.callers.noIdentity(call, target)
    const svids = await fetchJwtSvids(this.#options.jwtSvids, entries, audience, call)
    this.#assertDelegate(call, delegate)
    return { svids: svids.map(({ entry, svid }) => jwtSvidToProto(entry, svid)) }
  }

  /** Attests the caller; it has to be a delegate. */
  async #admit(call: CallContext): Promise<SelectorSet> {
    const set = await this.#options.callers.attest(call)
    this.#assertDelegate(call, set)
    return set
  }

  #assertDelegate(call: CallContext, set: SelectorSet): void {
    const { callers, cache } = this.#options
    callers.assertSame(call)
    const entries = cache.matching(set)
    const [first] = entries
    if (!first) throw callers.noIdentity(call, set)
    if (entries.some(({ spiffeId }) => this.#delegates.has(spiffeId.toString()))) return
    call.log.error('Permission denied; caller not configured as an authorized delegate.', {
      num_registered_entries: entries.length,
      default_id: first.spiffeId.toString(),
    })
    throw new ApiError('permission-denied', messages.notDelegate)
  }

  /** Whom the delegate asks for: selectors are taken as they are, a process is looked at. */
  async #targetOf(
    call: CallContext,
    { selectors, pid }: Pick<SubscribeToX509SVIDsRequest, 'selectors' | 'pid'>,
  ): Promise<SelectorSet> {
    if (selectors.length > 0 === (pid !== 0)) throw invalid(messages.selectorsOrPid)
    if (pid !== 0) return await this.#options.callers.attestFor(call, pid)
    const set = selectorsFromProto(selectors)
    if (!set) throw invalid(messages.badSelectors)
    return set
  }
}

function invalid(message: string): ApiError {
  return new ApiError('invalid-argument', message)
}
