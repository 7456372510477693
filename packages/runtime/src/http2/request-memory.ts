/** So much a connection keeps without asking: requests of a few kilobytes are taken however much others keep. */
const freeBytes = 16_384
/** What is asked for beyond that comes in pieces, so that few frames have to ask. */
const pieceBytes = 262_144

/** Bounds of a {@link RequestMemory}, in bytes. */
export interface RequestMemoryLimits {
  readonly maxBytes: number
  /** Of `maxBytes`, what may be kept of those who have not said who they are. */
  readonly maxBytesOfStrangers: number
  /** Of one of those that limits count by. */
  readonly maxBytesPerAddress: number
}

/** Whose requests a connection carries. */
export interface RequestSender {
  readonly address: string
  readonly isStranger: boolean
}

/**
 * What is kept of requests that are not complete, or not read, on all connections together. A peer that never ends what it sends keeps
 * it here for as long as it likes, and as often as it may connect: what each connection may keep is no bound by itself.
 */
export class RequestMemory {
  readonly #limits: RequestMemoryLimits
  readonly #byAddress = new Map<string, number>()
  #total = 0
  #ofStrangers = 0

  constructor(limits: RequestMemoryLimits) {
    this.#limits = limits
  }

  /** What one connection takes from, and gives back to. */
  shareOf(sender: RequestSender): MemoryShare {
    return new MemoryShare((bytes) => this.#take(sender, bytes))
  }

  /** Takes bytes, or gives them back when there are less than none; false: there are not as many left. */
  #take({ address, isStranger }: RequestSender, bytes: number): boolean {
    const mine = (this.#byAddress.get(address) ?? 0) + bytes
    const ofStrangers = this.#ofStrangers + (isStranger ? bytes : 0)
    const { maxBytes, maxBytesOfStrangers, maxBytesPerAddress } = this.#limits
    const isTooMuch =
      this.#total + bytes > maxBytes ||
      mine > maxBytesPerAddress ||
      (isStranger && ofStrangers > maxBytesOfStrangers)
    if (bytes > 0 && isTooMuch) return false
    this.#total += bytes
    this.#ofStrangers = ofStrangers
    if (mine > 0) this.#byAddress.set(address, mine)
    else this.#byAddress.delete(address)
    return true
  }
}

/** The part of a {@link RequestMemory} that one connection has. */
export class MemoryShare {
  readonly #take: (bytes: number) => boolean
  #granted = 0

  constructor(take: (bytes: number) => boolean) {
    this.#take = take
  }

  /** Says how much the connection keeps now; false: it may not keep as much. */
  cover(keptBytes: number): boolean {
    const missing = keptBytes - freeBytes - this.#granted
    if (missing > 0) {
      const wanted = Math.ceil(missing / pieceBytes) * pieceBytes
      if (!this.#take(wanted)) return false
      this.#granted += wanted
    } else if (this.#granted > 0 && keptBytes <= freeBytes) {
      this.#take(-this.#granted)
      this.#granted = 0
    }
    return true
  }
}
