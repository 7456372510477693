import type { Clock, Timer } from '../clock.ts'
import type { HostLimits } from './host-limits.ts'

/** The bounds that say whose turn it is. */
export type TurnLimits = Pick<
  HostLimits,
  'maxHandshakes' | 'maxSlowHandshakes' | 'maxWaitingHandshakes'
>

/** A connection that is to make its handshake. */
export interface Entrant {
  /** What it is counted by. */
  readonly limitedBy: string
  /** Its turn has come. */
  start(): void
  /** Another one has taken its place. */
  cut(): void
}

/** Handshakes that start in one turn of the event loop; each costs about a millisecond. */
const startsPerTurn = 8
/** When others wait, a handshake that has taken this long does not hold them up any more. */
const slowAfterMs = 250
/** When the slow ones are as many as may be, none is cut before it has had so long. */
const patienceMs = 2_000

/**
 * Says when which handshake starts. A few are made at once, so that each is done quickly and calls in progress go on. Who waits for
 * longer than it should for its peer's answer is moved aside as slow, and only when those are too many the oldest of them is cut. Addresses take
 * turns: one that sends many connections waits for its own. So whoever connects and says nothing, from wherever, holds nobody up for long.
 *
 * No deadline is kept here: who starts or cuts keeps that.
 */
export class HandshakeTurns {
  readonly #limits: TurnLimits
  readonly #clock: Clock
  /** By address, the one whose turn is next first. */
  readonly #waiting = new Map<string, Entrant[]>()
  #waitingCount = 0
  /** Since when, oldest first. */
  readonly #running = new Map<Entrant, number>()
  readonly #slow = new Map<Entrant, number>()
  #isDue = false
  #wake: Timer | undefined

  constructor(options: { readonly limits: TurnLimits; readonly clock: Clock }) {
    this.#limits = options.limits
    this.#clock = options.clock
  }

  /**
   * Starts it, now or later; false: too many wait. Half of the places to wait in are for addresses of which nobody waits.
   */
  enter(entrant: Entrant): boolean {
    if (this.#waitingCount === 0 && this.#hasFreePlace) {
      this.#start(entrant)
      return true
    }
    const { maxWaitingHandshakes: max } = this.#limits
    const ofAddress = this.#waiting.get(entrant.limitedBy)
    if (this.#waitingCount >= (ofAddress ? Math.floor(max / 2) : max)) return false
    this.#waitingCount++
    if (ofAddress) ofAddress.push(entrant)
    else this.#waiting.set(entrant.limitedBy, [entrant])
    this.#goOn()
    return true
  }

  /** Its handshake has ended, well or badly; nothing, if it has not started or has been cut. */
  leave(entrant: Entrant): void {
    if (this.#running.delete(entrant)) this.#goOn()
    else this.#slow.delete(entrant)
  }

  /** Forgets those that wait, and cuts them. */
  close(): void {
    this.#wake?.cancel()
    for (const entrants of this.#waiting.values()) for (const entrant of entrants) entrant.cut()
    this.#waiting.clear()
    this.#waitingCount = 0
  }

  get #hasFreePlace(): boolean {
    return this.#running.size < this.#limits.maxHandshakes
  }

  #start(entrant: Entrant): void {
    this.#running.set(entrant, this.#clock.nowMs())
    entrant.start()
  }

  /**
   * In a later phase of the loop, and only some in each: what has arrived of the others is read before, so that nobody is cut because this process stood
   * still, and calls in progress go on.
   */
  #goOn(): void {
    if (this.#isDue || this.#waitingCount === 0) return
    this.#isDue = true
    this.#wake?.cancel()
    setImmediate(() => {
      this.#isDue = false
      for (let n = 0; n < startsPerTurn; n++) {
        if (this.#waitingCount === 0) return
        if (!this.#hasFreePlace && !this.#makesRoom()) {
          this.#wake = this.#clock.setTimer(retryMs, () => this.#goOn())
          return
        }
        const next = this.#next()
        if (next) this.#start(next)
      }
      this.#goOn()
    })
  }

  /** Moves the oldest one aside that is slow. */
  #makesRoom(): boolean {
    const nowMs = this.#clock.nowMs()
    const [oldest, sinceMs = nowMs] = first(this.#running)
    if (!oldest || nowMs - sinceMs < slowAfterMs) return false
    if (this.#slow.size >= this.#limits.maxSlowHandshakes && !this.#cutsOldest(nowMs)) return false
    this.#running.delete(oldest)
    this.#slow.set(oldest, sinceMs)
    return true
  }

  #cutsOldest(nowMs: number): boolean {
    const [oldest, sinceMs = nowMs] = first(this.#slow)
    if (!oldest || nowMs - sinceMs < patienceMs) return false
    this.#slow.delete(oldest)
    oldest.cut()
    return true
  }

  /** Takes one of the address whose turn it is. */
  #next(): Entrant | undefined {
    const [address, entrants] = first(this.#waiting)
    if (address === undefined) return undefined
    this.#waiting.delete(address)
    const next = entrants?.shift()
    if (entrants && entrants.length > 0) this.#waiting.set(address, entrants)
    if (next) this.#waitingCount--
    return next
  }
}

/** How soon those that wait look again for somebody who is slow. */
const retryMs = 25

function first<K, V>(map: ReadonlyMap<K, V>): readonly [K | undefined, V | undefined] {
  for (const entry of map) return entry
  return [undefined, undefined]
}
