import type { Clock } from '@mini-spire/runtime/clock'
import { messageOf } from '@mini-spire/sdk/errors'
import { ExchangeError } from './exchange-error.ts'
import type { FetchKeys } from './key-source.ts'
import type { IssuerKey } from './read-jwks.ts'

/** Options of {@link IssuerKeys}. */
export interface IssuerKeysOptions {
  /** What the operator calls the issuer. */
  readonly name: string
  readonly fetch: FetchKeys
  readonly clock: Clock
  /** Told of every fetch that failed. */
  readonly onFailure?: (error: unknown) => void
}

/** Keys are fetched anew after this time. */
const freshMs = 10 * 60_000
/** While they cannot be fetched, those of before are used this long. */
const usableMs = 60 * 60_000
/** From the beginning of one fetch to that of the next, whatever is asked for: nobody makes us ask an issuer more often. */
const minIntervalMs = 10_000

/**
 * The keys of one issuer, fetched when they are needed and kept. A key that is not known may be new, so it is looked for once more, but
 * never sooner than ten seconds after the last look; who asks at the same time shares one fetch.
 */
export class IssuerKeys {
  readonly #options: IssuerKeysOptions
  #keys: ReadonlyMap<string, IssuerKey> = new Map()
  #fetchedAtMs = Number.NEGATIVE_INFINITY
  #triedAtMs = Number.NEGATIVE_INFINITY
  #fetching: Promise<void> | undefined
  #failure: string | undefined

  constructor(options: IssuerKeysOptions) {
    this.#options = options
  }

  /** Why the last fetch failed; undefined: it did not. */
  get failure(): string | undefined {
    return this.#failure
  }

  /**
   * Finds a key by its ID.
   *
   * @throws {ExchangeError} `ERR_EXCHANGE_KEYS_UNAVAILABLE` when the issuer's keys cannot be had
   */
  async find(keyId: string): Promise<IssuerKey | undefined> {
    if (this.#ageMs >= freshMs || !this.#keys.has(keyId)) await this.#refresh()
    if (this.#ageMs < usableMs) return this.#keys.get(keyId)
    const message = `the keys of issuer ${this.#options.name} cannot be had: ${this.#failure ?? 'they are too old'}`
    throw new ExchangeError('ERR_EXCHANGE_KEYS_UNAVAILABLE', message)
  }

  get #ageMs(): number {
    return this.#options.clock.nowMs() - this.#fetchedAtMs
  }

  async #refresh(): Promise<void> {
    if (!this.#fetching) {
      const nowMs = this.#options.clock.nowMs()
      if (Math.abs(nowMs - this.#triedAtMs) < minIntervalMs) return
      this.#triedAtMs = nowMs
      this.#fetching = this.#fetch(nowMs).finally(() => {
        this.#fetching = undefined
      })
    }
    await this.#fetching
  }

  async #fetch(startedMs: number): Promise<void> {
    try {
      this.#keys = await this.#options.fetch()
      this.#fetchedAtMs = startedMs
      this.#failure = undefined
    } catch (error) {
      this.#failure = messageOf(error)
      this.#options.onFailure?.(error)
    }
  }
}
