/** So many addresses are remembered although nothing of theirs is outstanding: forgetting one at each call's end costs more than the call's slot. */
const keptAddresses = 256

/** Counts the calls whose answer is outstanding, in total and by address, and refuses those beyond the bounds. */
export class CallSlots {
  readonly #max: number
  readonly #maxPerAddress: number
  readonly #byAddress = new Map<string, number>()
  #total = 0

  constructor(options: { readonly max: number; readonly maxPerAddress: number }) {
    this.#max = options.max
    this.#maxPerAddress = options.maxPerAddress
  }

  /** How many are taken. */
  get size(): number {
    return this.#total
  }

  /** Takes a slot; the result gives it back (once, however often it is called). Undefined when none is free. */
  take(address: string): (() => void) | undefined {
    const mine = this.#byAddress.get(address) ?? 0
    if (this.#total >= this.#max || mine >= this.#maxPerAddress) return undefined
    this.#total++
    this.#byAddress.set(address, mine + 1)
    let isTaken = true
    return () => {
      if (!isTaken) return
      isTaken = false
      this.#total--
      const left = (this.#byAddress.get(address) ?? 1) - 1
      if (left === 0 && this.#byAddress.size > keptAddresses) this.#byAddress.delete(address)
      else this.#byAddress.set(address, left)
    }
  }
}
