import type { Clock } from '@mini-spire/runtime/clock'
import { ApiError } from '@mini-spire/runtime/grpc/api-error'
import type { CallContext } from '@mini-spire/runtime/grpc/call-context'
import { CallSlots } from '@mini-spire/runtime/grpc/call-slots'
import { bindService, type ServiceBinding } from '@mini-spire/runtime/grpc/service'
import type { Logger } from '@mini-spire/runtime/log/logger'
import type { Metrics } from '@mini-spire/runtime/telemetry/metrics'
import { isSpiffeError, messageOf } from '@mini-spire/sdk/errors'
import {
  APIService,
  type FetchJWTSVIDRequest,
  type FetchJWTSVIDResponse,
  type SubscribeToX509SVIDRequest,
  type WorkloadReference as WireReference,
} from '@mini-spire/sdk/internal/spiffe/broker/api'
import { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import type { WorkloadCache } from '../../cache/workload-cache.ts'
import type { WorkloadIdentity, WorkloadView } from '../../cache/workload-view.ts'
import type { BrokerConfig } from '../../config/resolved-config.ts'
import type { JwtSvidFetcher } from '../../identity/fetch-jwt-svid.ts'
import { withoutHintClashes } from '../../identity/hints.ts'
import { watchView } from '../../identity/watch-view.ts'
import type { TrustBundle } from '../../model/trust-bundle.ts'
import type {
  ReferenceResolver,
  ResolvedWorkload,
} from '../../workload-attestation/resolve-reference.ts'
import { isDelegable } from '../delegatedidentity/convert.ts'
import { checkSpiffeId, fetchJwtSvids, missing } from '../fetch-jwt-svids.ts'
import { firstSvidKey } from '../first-svid.ts'
import {
  encodeJwtBundles,
  encodeX509Bundles,
  encodeX509Svids,
  jwtSvidsToProto,
} from '../workload/convert.ts'
import { messages as workloadMessages } from '../workload/messages.ts'
import { logJwtSvid, logX509Svids } from '../workload/workload-log.ts'
import { reasonDetails, reasonToProto, referenceFromProto, referenceType } from './convert.ts'
import { messages } from './messages.ts'
import { ReferencePolicy } from './reference-policy.ts'

/** Streams that one broker may have open, and all of them together: a node's workloads a few times over. */
const maxStreamsPerBroker = 4_096
const maxStreams = 16_384

/** Options of {@link BrokerApi}. */
export interface BrokerApiOptions {
  readonly references: Pick<ReferenceResolver, 'resolve'>
  readonly brokers: BrokerConfig['brokers']
  readonly cache: WorkloadCache
  readonly jwtSvids: Pick<JwtSvidFetcher, 'fetch'>
  readonly requestSvids: () => void
  readonly metrics: Pick<Metrics, 'sample'>
  readonly clock: Clock
}

/** A call that has been let in. */
interface Admitted {
  readonly broker: SpiffeId
  readonly log: Logger
}

/** What is told about a workload at one moment. */
interface Moment {
  readonly view: WorkloadView
  readonly workload: ResolvedWorkload
  readonly log: Logger
}

/**
 * The SPIFFE Broker API: a broker gets what is a workload's own, for as long as the workload is what it was when it was attested
 * [SPIFFE Broker API 4.9]. Its answers are those of the Workload API on the wire.
 */
export class BrokerApi {
  readonly #options: BrokerApiOptions
  readonly #policy: ReferencePolicy
  readonly #streams = new CallSlots({ max: maxStreams, maxPerAddress: maxStreamsPerBroker })

  constructor(options: BrokerApiOptions) {
    this.#options = options
    this.#policy = new ReferencePolicy(options.brokers)
  }

  /** The service, for a host that lets only the configured brokers in. */
  bind(): ServiceBinding<CallContext> {
    return bindService(APIService, {
      subscribeToX509Svid: (call: CallContext, { reference }: SubscribeToX509SVIDRequest) =>
        this.#watchX509Svids(call, reference),
      subscribeToX509Bundles: (call: CallContext, { reference }: SubscribeToX509SVIDRequest) =>
        this.#watchBundles(call, reference, encodeX509Bundles),
      fetchJwtsvid: (call: CallContext, request: FetchJWTSVIDRequest) =>
        this.#fetchJwtSvids(call, request),
      subscribeToJwtBundles: (call: CallContext, { reference }: SubscribeToX509SVIDRequest) =>
        this.#watchBundles(call, reference, encodeJwtBundles),
    })
  }

  /** Who has no identity gets an empty list, and the first one as soon as there is one. */
  async *#watchX509Svids(
    call: CallContext,
    reference: WireReference | undefined,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const { clock, metrics } = this.#options
    const startedMs = clock.nowMs()
    let hasSvid = false
    let last: Uint8Array | undefined
    for await (const { view, workload, log } of this.#moments(call, reference)) {
      if (!hasSvid && view.identities.length > 0) {
        hasSvid = true
        metrics.sample(firstSvidKey, clock.nowMs() - startedMs)
      }
      const identities = identitiesOf(view, log)
      const answer = encodeX509Svids(view, identities)
      if (last && Buffer.compare(last, answer) === 0) continue
      last = answer
      await this.#assertSame(workload, log)
      logX509Svids(log, identities, clock.nowMs(), {
        message: 'Fetched X.509 SVID for broker',
      })
      yield answer
    }
  }

  async *#watchBundles(
    call: CallContext,
    reference: WireReference | undefined,
    encode: (bundles: readonly TrustBundle[]) => Uint8Array,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    let last: Uint8Array | undefined
    for await (const { view, workload, log } of this.#moments(call, reference)) {
      const answer = encode([view.bundle, ...view.federatedBundles])
      if (last && Buffer.compare(last, answer) === 0) continue
      last = answer
      await this.#assertSame(workload, log)
      yield answer
    }
  }

  async #fetchJwtSvids(
    call: CallContext,
    { reference, audience, spiffeId }: FetchJWTSVIDRequest,
  ): Promise<FetchJWTSVIDResponse> {
    if (audience.length === 0) throw missing(call, 'audience')
    if (spiffeId !== '') checkSpiffeId(call, spiffeId)
    const admitted = this.#admit(call, reference)
    const { log } = admitted
    using workload = await this.#resolve(call, admitted, reference)
    const { cache, jwtSvids, clock } = this.#options
    const matching = withoutHintClashes(cache.matching(workload.selectors), (entry) => entry, log)
    const entries = matching.filter(
      (entry) => isDelegable(entry) && (spiffeId === '' || entry.spiffeId.toString() === spiffeId),
    )
    if (entries.length === 0) throw noIdentity(log)
    const svids = await fetchJwtSvids(jwtSvids, entries, audience, { log })
    await this.#assertSame(workload, log)
    const nowMs = clock.nowMs()
    for (const given of svids) logJwtSvid(log, given, nowMs)
    return jwtSvidsToProto(svids)
  }

  /** What a workload may have, now and after each change, until the broker leaves or the workload ends. */
  async *#moments(
    call: CallContext,
    reference: WireReference | undefined,
  ): AsyncGenerator<Moment, void, undefined> {
    const admitted = this.#admit(call, reference)
    const { broker, log } = admitted
    const release = this.#streams.take(broker.toString())
    if (!release)
      throw new ApiError('resource-exhausted', messages.tooManyStreams(maxStreamsPerBroker))
    try {
      using workload = await this.#resolve(call, admitted, reference)
      const { ended, selectors } = workload
      log.debug('Subscribing to cache changes', { selectors: selectors.selectors })
      const signal = AbortSignal.any([call.signal, ended])
      for await (const view of watchView(this.#options, selectors, signal))
        yield { view, workload, log }
      if (ended.aborted) throw refusal(ended.reason, log)
    } finally {
      release()
    }
  }

  /** @throws {ApiError} what a broker that may not use this reference is told, or one that gave none */
  #admit(call: CallContext, reference: WireReference | undefined): Admitted {
    const { peer } = call
    if (peer.kind !== 'tls' || peer.spiffeId === undefined)
      throw new ApiError('unauthenticated', messages.callerUnknown)
    const broker = SpiffeId.parse(peer.spiffeId)
    this.#policy.check(broker, referenceType(reference), peer.process === undefined)
    return { broker, log: call.log.with({ broker_peer: peer.spiffeId }) }
  }

  async #resolve(
    call: CallContext,
    { broker, log }: Admitted,
    wire: WireReference | undefined,
  ): Promise<ResolvedWorkload> {
    const reference = referenceFromProto(wire)
    try {
      return await this.#options.references.resolve({ reference, broker }, call.signal)
    } catch (error) {
      throw refusal(error, log)
    }
  }

  async #assertSame(workload: ResolvedWorkload, log: Logger): Promise<void> {
    try {
      await workload.assertSame()
    } catch (error) {
      throw refusal(error, log)
    }
  }
}

/** Administrators and servers below act for themselves only. */
function identitiesOf(view: WorkloadView, log: Logger): readonly WorkloadIdentity[] {
  const identities = withoutHintClashes(view.identities, ({ entry }) => entry, log)
  return identities.filter(({ entry }) => isDelegable(entry))
}

/** A failure to find or describe a workload as the broker sees it: with its own status, and the standard's reason. */
function refusal(error: unknown, log: Logger): ApiError {
  log.error('Workload attestation failed', { error: messageOf(error) })
  if (!isSpiffeError(error)) {
    const message = messages.attestationFailed(messageOf(error))
    return new ApiError('unauthenticated', message, { cause: error })
  }
  const details = reasonDetails(error.kind)
  return new ApiError(error.kind, error.message, { cause: error, details })
}

function noIdentity(log: Logger): ApiError {
  log.error('No identity issued')
  return new ApiError('permission-denied', workloadMessages.noIdentity, {
    details: [reasonToProto('WORKLOAD_NOT_ENTITLED')],
  })
}
