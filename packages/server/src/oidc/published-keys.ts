import type { KeyObject } from 'node:crypto'
import type { Clock } from '@mini-spire/runtime/clock'
import type { Logger } from '@mini-spire/runtime/log/logger'

/** A public key that tokens are verified with. */
export interface TokenKey {
  readonly keyId: string
  readonly publicKey: KeyObject
  /** No token that it signed is valid after this; undefined: not known. */
  readonly expiresAtMs?: number | undefined
}

/** A key set as it is shown. */
export interface KeySet {
  readonly keys: readonly TokenKey[]
  /** When it began to look like this. */
  readonly modifiedAt: Date
}

/** Clouds refuse a key set of more than 100 keys, all of it. */
export const maxPublishedKeys = 99

/** Options of {@link PublishedKeys}. */
export interface PublishedKeysOptions {
  /** The keys there are, oldest first; the same list as long as nothing changes. Undefined: not known yet. */
  readonly keys: () => readonly TokenKey[] | undefined
  readonly clock: Clock
  readonly log: Logger
}

/**
 * Which keys of a trust domain are shown: not the expired ones, which can verify nothing, and never more than a cloud takes, however
 * many a server that loses its keys at each start has made. The newest stay, in the order in which they came.
 */
export class PublishedKeys {
  readonly #options: PublishedKeysOptions
  /** In which order keys were first seen, for those that do not say how old they are. */
  #seen: ReadonlyMap<string, number> = new Map()
  #sightings = 0
  #source: readonly TokenKey[] | undefined
  #shown: KeySet | undefined
  #warnedOf = 0
  /** When the next of the shown keys expires. */
  #staleAtMs = Number.POSITIVE_INFINITY

  constructor(options: PublishedKeysOptions) {
    this.#options = options
  }

  /** The key set as of now; undefined before it is known. */
  current(): KeySet | undefined {
    const { clock } = this.#options
    const source = this.#options.keys()
    if (!source) return undefined
    const nowMs = clock.nowMs()
    if (this.#shown && source === this.#source && nowMs < this.#staleAtMs) return this.#shown
    this.#notice(source)
    const keys = this.#choose(source, nowMs)
    this.#source = source
    this.#staleAtMs = Math.min(...keys.map(({ expiresAtMs }) => laterThan(nowMs, expiresAtMs)))
    if (!this.#shown || !isSameList(this.#shown.keys, keys)) {
      this.#shown = { keys, modifiedAt: clock.now() }
    }
    return this.#shown
  }

  #notice(keys: readonly TokenKey[]): void {
    const known = this.#seen
    this.#seen = new Map(keys.map(({ keyId }) => [keyId, known.get(keyId) ?? this.#sightings++]))
  }

  #choose(all: readonly TokenKey[], nowMs: number): readonly TokenKey[] {
    const valid = all.filter(({ expiresAtMs }) => expiresAtMs === undefined || expiresAtMs > nowMs)
    // A server that has been away for long may come back with the keys it had.
    const usable = valid.length > 0 ? valid : all
    if (usable.length <= maxPublishedKeys) return usable
    const newest = [...usable].sort((a, b) => this.#compareAge(a, b)).slice(0, maxPublishedKeys)
    this.#warn(usable.length)
    const chosen = new Set(newest)
    return usable.filter((key) => chosen.has(key))
  }

  /** Once for each number of keys. */
  #warn(count: number): void {
    if (count === this.#warnedOf) return
    this.#warnedOf = count
    this.#options.log.warn('More keys than relying parties take; the oldest are not shown', {
      keys: count,
      shown: maxPublishedKeys,
    })
  }

  /** Negative when the first is the newer one. */
  #compareAge(a: TokenKey, b: TokenKey): number {
    const byExpiry = (b.expiresAtMs ?? 0) - (a.expiresAtMs ?? 0)
    if (byExpiry !== 0) return byExpiry
    return (this.#seen.get(b.keyId) ?? 0) - (this.#seen.get(a.keyId) ?? 0)
  }
}

function laterThan(nowMs: number, expiresAtMs: number | undefined): number {
  return expiresAtMs === undefined || expiresAtMs <= nowMs ? Number.POSITIVE_INFINITY : expiresAtMs
}

function isSameList(one: readonly TokenKey[], other: readonly TokenKey[]): boolean {
  return (
    one.length === other.length &&
    one.every(({ keyId, publicKey }, index) => {
      const their = other[index]
      return their?.keyId === keyId && their.publicKey.equals(publicKey)
    })
  )
}
