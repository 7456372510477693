import { randomFillSync } from 'node:crypto'

const serialBytes = 16
const poolBytes = 4096

/**
 * Draws certificate serial numbers: random, from 1 to 2^128 − 1. Random octets are fetched for many at a time, because
 * a fetch costs more than a signature's hash.
 */
export class SerialNumbers {
  readonly #fill: (pool: Buffer) => void
  readonly #pool: Buffer = Buffer.alloc(poolBytes)
  #next = poolBytes

  /** @param fill fills the buffer with random octets; @default the system's */
  constructor(fill: (pool: Buffer) => void = randomFillSync) {
    this.#fill = fill
  }

  /** 16 octets, big-endian, not all zero. The caller's own. */
  draw(): Buffer {
    for (;;) {
      if (this.#next >= poolBytes) {
        this.#fill(this.#pool)
        this.#next = 0
      }
      const drawn = Buffer.from(this.#pool.subarray(this.#next, this.#next + serialBytes))
      this.#next += serialBytes
      if (drawn.some((octet) => octet !== 0)) return drawn
    }
  }
}

/** A serial number as people and records write it: decimal. */
export function serialNumberText(serialNumber: Uint8Array): string {
  return BigInt(`0x${Buffer.from(serialNumber).toString('hex')}`).toString()
}
