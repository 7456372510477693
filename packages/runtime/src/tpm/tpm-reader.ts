import { TpmError } from './tpm-error.ts'

/** Reads the data types of TPM 2.0 Part 2, in order, big-endian. What runs over the end is an error. */
export class TpmReader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  /** Bytes that are left. */
  get remaining(): number {
    return this.#bytes.length - this.#at
  }

  uint8(): number {
    return this.raw(1).readUInt8()
  }

  uint16(): number {
    return this.raw(2).readUInt16BE()
  }

  uint32(): number {
    return this.raw(4).readUInt32BE()
  }

  /** A `TPM2B`: bytes with their length in front. */
  sized(): Buffer {
    return this.raw(this.uint16())
  }

  /** So many bytes as they are. */
  raw(length: number): Buffer {
    const end = this.#at + length
    if (end > this.#bytes.length) throw new TpmError('ERR_TPM_MALFORMED', 'unexpected EOF')
    const taken = this.#bytes.subarray(this.#at, end)
    this.#at = end
    return taken
  }

  /** @throws {TpmError} `ERR_TPM_MALFORMED` when there is more */
  end(what: string): void {
    if (this.remaining === 0) return
    throw new TpmError('ERR_TPM_MALFORMED', `${this.remaining} bytes after ${what}`)
  }
}
