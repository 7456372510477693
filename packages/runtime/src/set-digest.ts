import { hash } from 'node:crypto'

/** What of an entry a digest covers: which entry, and which state of it. Every change of an entry raises its revision. */
export interface DigestedEntry {
  readonly id: string
  readonly revisionNumber: number
  readonly createdAtSeconds: number
}

const limbs = 8
const limbSize = 0x1_0000_0000

/** Name of the algorithm, part of what is hashed: another one gives other digests. */
export const digestAlgorithm = 'mini-spire set digest 1'

/**
 * The digest of a set of entries, kept up to date entry by entry: two sides that hold the same entries in the same state at
 * the same epoch have the same digest, in whatever order they came to it.
 *
 * It is the sum, modulo 2^256, of a SHA-256 of each entry, hashed with the epoch and the number of entries. It finds what was
 * lost or mixed up between two sides that trust each other; it is no commitment against one that chooses entries to collide.
 * `docs/store-format.md` has the encoding, `test/vectors/store/set-digest.json` the vectors.
 */
export class SetDigest {
  readonly #sum = new Uint32Array(limbs)
  #count = 0

  get count(): number {
    return this.#count
  }

  add(entry: DigestedEntry): void {
    this.#count++
    const item = itemHash(entry)
    let carry = 0
    for (let at = limbs - 1; at >= 0; at--) {
      const total = (this.#sum[at] ?? 0) + item.readUInt32BE(at * 4) + carry
      this.#sum[at] = total % limbSize
      carry = total >= limbSize ? 1 : 0
    }
  }

  /** Takes out an entry that was added in this very state. */
  remove(entry: DigestedEntry): void {
    this.#count--
    const item = itemHash(entry)
    let borrow = 0
    for (let at = limbs - 1; at >= 0; at--) {
      const total = (this.#sum[at] ?? 0) - item.readUInt32BE(at * 4) - borrow
      this.#sum[at] = total < 0 ? total + limbSize : total
      borrow = total < 0 ? 1 : 0
    }
  }

  /** The digest at an epoch, 32 bytes. */
  digest(epoch: string): Uint8Array {
    const sum = Buffer.alloc(limbs * 4)
    this.#sum.forEach((limb, at) => {
      sum.writeUInt32BE(limb, at * 4)
    })
    const head = Buffer.from(`${digestAlgorithm}\n${epoch}\n${this.#count}\n`)
    return hash('sha256', Buffer.concat([head, sum]), 'buffer')
  }
}

function itemHash({ id, revisionNumber, createdAtSeconds }: DigestedEntry): Buffer {
  return hash('sha256', `${id}\n${revisionNumber}\n${createdAtSeconds}`, 'buffer')
}
