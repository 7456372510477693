import { SshError } from './ssh-error.ts'

/** Reads the data types of RFC 4251 section 5, in order. What runs over the end is an error. */
export class SshReader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  /** How far it has read. */
  get offset(): number {
    return this.#at
  }

  get hasMore(): boolean {
    return this.#at < this.#bytes.length
  }

  uint32(): number {
    return this.#take(4).readUInt32BE()
  }

  uint64(): bigint {
    return this.#take(8).readBigUInt64BE()
  }

  /** A `string`: bytes with their length in front. */
  bytes(): Buffer {
    return this.#take(this.uint32())
  }

  /** A `string` that is text. */
  text(): string {
    return this.bytes().toString('utf8')
  }

  /** A `mpint` that is not negative, big-endian without zeros in front. */
  unsigned(): Buffer {
    const value = this.bytes()
    if ((value[0] ?? 0) >= 0x80) throw new SshError('ERR_SSH_MALFORMED', 'negative number')
    const first = value.findIndex((byte) => byte !== 0)
    return first < 0 ? Buffer.alloc(0) : value.subarray(first)
  }

  /** A list of texts in a `string`. */
  texts(): readonly string[] {
    const inner = new SshReader(this.bytes())
    const all: string[] = []
    while (inner.hasMore) all.push(inner.text())
    return all
  }

  /** @throws {SshError} when there is more */
  end(what: string): void {
    if (this.hasMore) throw new SshError('ERR_SSH_MALFORMED', `trailing junk in ${what}`)
  }

  #take(length: number): Buffer {
    const end = this.#at + length
    if (end > this.#bytes.length) throw new SshError('ERR_SSH_MALFORMED', 'short read')
    const taken = this.#bytes.subarray(this.#at, end)
    this.#at = end
    return taken
  }
}
