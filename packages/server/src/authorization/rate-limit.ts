import { type Clock, sleep } from '@mini-spire/runtime/clock'
import { ApiError } from '@mini-spire/runtime/grpc/api-error'
import type { CallContext } from '@mini-spire/runtime/grpc/call-context'
import { callTimeoutMs, timeoutHeader } from '@mini-spire/runtime/grpc/call-timeout'

/** One bucket per address: as many tokens a second as it holds. */
interface LimitSettings {
  readonly perSecond: number
  /** Methods with the same bucket name share it. */
  readonly bucket: string
  /** The configuration key under `ratelimit` that switches it off; undefined: always on. */
  readonly isSwitchedBy: 'attestation' | 'signing' | undefined
}

const signing = { perSecond: 500, isSwitchedBy: 'signing' } as const

/** Every limited method; all others have no limit. */
const limits: Readonly<Record<string, LimitSettings>> = {
  '/spire.api.server.agent.v1.Agent/AttestAgent': {
    perSecond: 1,
    isSwitchedBy: 'attestation',
    bucket: 'attest',
  },
  '/spire.api.server.agent.v1.Agent/RenewAgent': {
    ...signing,
    bucket: 'csr',
  },
  '/spire.api.server.svid.v1.SVID/BatchNewX509SVID': {
    ...signing,
    bucket: 'csr',
  },
  '/spire.api.server.svid.v1.SVID/NewDownstreamX509CA': {
    ...signing,
    bucket: 'csr',
  },
  '/spire.api.server.svid.v1.SVID/NewJWTSVID': {
    ...signing,
    bucket: 'jwt',
  },
  '/spire.api.server.svid.v1.SVID/BatchNewWITSVID': {
    ...signing,
    bucket: 'wit',
  },
  '/spire.api.server.bundle.v1.Bundle/PublishJWTAuthority': {
    perSecond: 500,
    isSwitchedBy: undefined,
    bucket: 'publish',
  },
  '/spire.api.server.agent.v1.Agent/PostStatus': {
    perSecond: 10,
    isSwitchedBy: undefined,
    bucket: 'status',
  },
}

/** What {@link RateLimits} is made of. */
export interface RateLimitsOptions {
  readonly clock: Clock
  /** The configuration's switches: `ratelimit.attestation` and `ratelimit.signing`. */
  readonly isEnabled: { readonly attestation: boolean; readonly signing: boolean }
  /** Called after each wait for a limited method, for `rateLimit.…` metrics. */
  readonly onWaited?: (call: CallContext, waitedMs: number, error: unknown) => void
}

/**
 * Holds calls back that come too fast from one address: they wait for their turn, as in SPIRE, and are refused only when
 * their turn can never come; the services put their own words before the reason. Callers on the local socket are not limited.
 */
export class RateLimits {
  readonly #options: RateLimitsOptions
  readonly #buckets = new Map<string, AddressBuckets>()

  constructor(options: RateLimitsOptions) {
    this.#options = options
  }

  /**
   * Waits until a call may go on; at once for methods without a limit.
   *
   * Handlers call it at the place the method's order of checks asks for: most first, the batch methods after the check
   * for empty requests.
   *
   * @param count how many of the things that are limited the call asks for
   * @throws {ApiError} `resource-exhausted` when the count can never be had at once, or not before the caller's deadline;
   *   `unknown` when the caller went away, as SPIRE logs and counts it
   */
  async admit(call: CallContext, count = 1): Promise<void> {
    const settings = limits[call.method]
    if (!settings || call.peer.kind !== 'tls') return
    const { isSwitchedBy } = settings
    const { clock, isEnabled, onWaited } = this.#options
    if (isSwitchedBy !== undefined && !isEnabled[isSwitchedBy]) return
    const startedMs = clock.nowMs()
    const bucket = this.#bucketsOf(settings).get(call.peer.address, startedMs)
    let failure: unknown
    try {
      await waitForTokens(bucket, { settings, count, call, clock })
    } catch (error) {
      failure = error
      throw error
    } finally {
      onWaited?.(call, clock.nowMs() - startedMs, failure)
    }
  }

  #bucketsOf({ bucket: name, perSecond }: LimitSettings): AddressBuckets {
    let buckets = this.#buckets.get(name)
    if (!buckets) {
      buckets = new AddressBuckets(perSecond)
      this.#buckets.set(name, buckets)
    }
    return buckets
  }
}

interface WaitOptions {
  readonly settings: LimitSettings
  readonly count: number
  readonly call: CallContext
  readonly clock: Clock
}

async function waitForTokens(bucket: TokenBucket, options: WaitOptions): Promise<void> {
  const { settings, count, call, clock } = options
  const { perSecond } = settings
  if (count > perSecond) {
    const reason = `rate (${count}) exceeds burst size (${perSecond})`
    throw new ApiError('resource-exhausted', reason)
  }
  const waitMs = bucket.take(count, clock.nowMs())
  if (waitMs <= 0) return
  if (waitMs > patienceMs(call)) {
    bucket.giveBack(count)
    throw new ApiError('resource-exhausted', `rate: Wait(n=${count}) would exceed context deadline`)
  }
  if (await sleep(clock, waitMs, call.signal)) return
  bucket.giveBack(count)
  throw new ApiError('unknown', 'context canceled')
}

/** How long the caller waits for its answer: a turn that comes later is of no use to it, and is not taken from others. */
function patienceMs(call: CallContext): number {
  const [timeout] = call.metadata(timeoutHeader)
  return (timeout === undefined ? undefined : callTimeoutMs(timeout)) ?? Number.POSITIVE_INFINITY
}

/** Tokens that come back at as many a second as fit in; taking more than there are is a debt that has to be waited off. */
class TokenBucket {
  readonly #perSecond: number
  #tokens: number
  #updatedMs: number

  constructor(perSecond: number, nowMs: number) {
    this.#perSecond = perSecond
    this.#tokens = perSecond
    this.#updatedMs = nowMs
  }

  /** How long to wait for what was taken. */
  take(count: number, nowMs: number): number {
    const gained = (Math.max(nowMs - this.#updatedMs, 0) / 1000) * this.#perSecond
    this.#tokens = Math.min(this.#perSecond, this.#tokens + gained) - count
    this.#updatedMs = nowMs
    return this.#tokens >= 0 ? 0 : (-this.#tokens / this.#perSecond) * 1000
  }

  giveBack(count: number): void {
    this.#tokens = Math.min(this.#perSecond, this.#tokens + count)
  }
}

const generationMs = 60_000

/** The buckets of one limit by address; those not asked for during two generations are forgotten. */
class AddressBuckets {
  readonly #perSecond: number
  #current = new Map<string, TokenBucket>()
  #previous = new Map<string, TokenBucket>()
  #turnsAtMs: number | undefined

  constructor(perSecond: number) {
    this.#perSecond = perSecond
  }

  get(address: string, nowMs: number): TokenBucket {
    this.#turn(nowMs)
    const known = this.#current.get(address) ?? this.#previous.get(address)
    const bucket = known ?? new TokenBucket(this.#perSecond, nowMs)
    this.#current.set(address, bucket)
    return bucket
  }

  #turn(nowMs: number): void {
    this.#turnsAtMs ??= nowMs + generationMs
    if (nowMs < this.#turnsAtMs) return
    const areBothOver = nowMs >= this.#turnsAtMs + generationMs
    this.#previous = areBothOver ? new Map() : this.#current
    this.#current = new Map()
    this.#turnsAtMs = nowMs + generationMs
  }
}
