import { type Clock, systemClock, type Timer } from '../clock.ts'
import { ExchangeError } from './exchange-error.ts'

/** Something that ends. */
export interface Expiring {
  readonly expiresAt: Date
}

/** When credentials are renewed, and who hears of failures. */
export interface RenewalOptions {
  /** Told of failures that no caller sees, because the credential they have is still good. */
  readonly onError?: ((error: unknown) => void) | undefined
  /** For one renewal, from the SVID to the answer. @default 30000 */
  readonly timeoutMs?: number | undefined
  /** @default the machine's time */
  readonly clock?: Clock | undefined
  /** A number in [0, 1), anew at each call. @default Math.random */
  readonly chance?: (() => number) | undefined
}

/** {@link RenewalOptions}, and what only those decide who build on {@link RenewedCredential}. */
export interface RenewedCredentialOptions extends RenewalOptions {
  /** Whether a credential that nobody asked for since it was fetched is renewed all the same. @default false */
  readonly isRenewedUnused?: boolean | undefined
}

/** What a renewal gets. */
export interface Renewal<Credential> {
  /** Aborts when the time is up or the credential is closed. */
  readonly signal: AbortSignal
  /** The one to be replaced, while it is still good. */
  readonly previous: Credential | undefined
}

/** Options of one call. */
export interface WaitOptions {
  /** Stops waiting; the renewal goes on for others. */
  readonly signal?: AbortSignal | undefined
}

const defaultTimeoutMs = 30_000
/** Renewed at a moment between these parts of its life, so that a fleet does not come at once. */
const renewal = { earliest: 0.5, latest: 0.6 }
const longestPauseMs = 30_000

interface Held<Credential> {
  readonly value: Credential
  readonly renewAtMs: number
}

/**
 * A credential that is renewed ahead of its end: one renewal at a time however many wait, and the last good one is given out
 * while renewing fails and it has not ended.
 *
 * Nothing is fetched before the first {@link RenewedCredential.get}, and a credential that nobody asked for since it was
 * fetched is left to end. Timers do not keep the process alive.
 */
export class RenewedCredential<Credential extends Expiring> implements Disposable {
  readonly #fetch: (renewal: Renewal<Credential>) => Promise<Credential>
  readonly #options: RenewedCredentialOptions
  readonly #clock: Clock
  readonly #ending = new AbortController()
  #held: Held<Credential> | undefined
  #renewing: Promise<Credential> | undefined
  #timer: Timer | undefined
  #failures = 0
  #isWanted = false

  constructor(
    fetch: (renewal: Renewal<Credential>) => Promise<Credential>,
    options: RenewedCredentialOptions = {},
  ) {
    this.#fetch = fetch
    this.#options = options
    this.#clock = options.clock ?? systemClock
  }

  /**
   * The credential of the moment.
   *
   * @throws {ExchangeError} when there is none, and the reason of the caller's signal
   */
  async get({ signal }: WaitOptions = {}): Promise<Credential> {
    this.#throwIfClosed()
    signal?.throwIfAborted()
    this.#isWanted = true
    const held = this.#findGood()
    if (!held) return await waited(this.#renew(), signal)
    // A timer that came while nobody wanted the credential has passed; this caller makes up for it.
    const isDue = this.#clock.nowMs() >= held.renewAtMs
    if (isDue && !this.#timer && !this.#renewing) this.#renewBehind()
    return held.value
  }

  close(): void {
    this.#held = undefined
    this.#timer?.cancel()
    this.#ending.abort(closed())
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #findGood(): Held<Credential> | undefined {
    const held = this.#held
    return held && held.value.expiresAt.getTime() > this.#clock.nowMs() ? held : undefined
  }

  #renewBehind(): void {
    this.#renew().catch((error: unknown) => {
      if (!this.#ending.signal.aborted) this.#options.onError?.(error)
    })
  }

  #renew(): Promise<Credential> {
    this.#renewing ??= this.#fetchOnce().finally(() => {
      this.#renewing = undefined
    })
    return this.#renewing
  }

  async #fetchOnce(): Promise<Credential> {
    this.#timer?.cancel()
    this.#timer = undefined
    try {
      const value = await this.#fetchInTime()
      this.#throwIfClosed()
      this.#keep(value)
      return value
    } catch (error) {
      this.#throwIfClosed()
      this.#failures++
      if (this.#findGood() || this.#options.isRenewedUnused) this.#renewIn(this.#pauseMs())
      throw error
    }
  }

  async #fetchInTime(): Promise<Credential> {
    const { timeoutMs = defaultTimeoutMs } = this.#options
    const limit = new AbortController()
    const late = new ExchangeError('ERR_EXCHANGE_UNAVAILABLE', `no answer within ${timeoutMs} ms`)
    const timer = this.#clock.setTimer(timeoutMs, () => limit.abort(late))
    const signal = AbortSignal.any([limit.signal, this.#ending.signal])
    try {
      const previous = this.#findGood()?.value
      return await waited(this.#fetch({ signal, previous }), signal)
    } finally {
      timer.cancel()
    }
  }

  #keep(value: Credential): void {
    const nowMs = this.#clock.nowMs()
    const lifeMs = value.expiresAt.getTime() - nowMs
    if (!(lifeMs > 0))
      throw new ExchangeError('ERR_EXCHANGE_EXPIRED', 'the credential has ended before it came')
    const { earliest, latest } = renewal
    const delayMs = lifeMs * (earliest + (latest - earliest) * this.#chance())
    this.#held = { value, renewAtMs: nowMs + delayMs }
    this.#failures = 0
    this.#isWanted = false
    this.#renewIn(delayMs)
  }

  #renewIn(delayMs: number): void {
    this.#timer = this.#clock.setTimer(delayMs, () => {
      this.#timer = undefined
      if (this.#isWanted || this.#options.isRenewedUnused) this.#renewBehind()
    })
  }

  /** A second more after each failure, half a minute at most, give or take a fifth. */
  #pauseMs(): number {
    return Math.min(this.#failures * 1000, longestPauseMs) * (0.8 + 0.4 * this.#chance())
  }

  #chance(): number {
    return (this.#options.chance ?? Math.random)()
  }

  #throwIfClosed(): void {
    if (this.#ending.signal.aborted) throw closed()
  }
}

function closed(): ExchangeError {
  return new ExchangeError('ERR_EXCHANGE_CLOSED', 'the credential is closed')
}

/** Waits for a promise no longer than a signal allows. */
function waited<Value>(promise: Promise<Value>, signal: AbortSignal | undefined): Promise<Value> {
  if (!signal) return promise
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason)
    const settle = (): void => signal.removeEventListener('abort', onAbort)
    signal.addEventListener('abort', onAbort, { once: true })
    promise.then(resolve, reject).finally(settle)
    if (signal.aborted) onAbort()
  })
}
