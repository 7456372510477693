/** Value lengths and indexes are cut off here: a longer one is nghttp2's to refuse. */
const maxInteger = 2 ** 24

/** Index of `:authority` in HPACK's static table (RFC 7541, appendix A). */
const authorityIndex = 1

const authorityName = Buffer.from(':authority')
/** Stands for every byte that an authority cannot have: of the same length, so that lengths and tables stay as they are. */
const stand = '.'.charCodeAt(0)

/**
 * Makes the `:authority` of a header block one that nghttp2 takes, in place: what cannot be in an authority (RFC 3986, 3.2)
 * becomes a dot. Nobody reads the value. What is not understood stays as it is, for nghttp2 to judge.
 *
 * @param block a header block of HPACK (RFC 7541, section 6), or its beginning
 */
export function cleanAuthority(block: Uint8Array): void {
  const reader = new BlockReader(block)
  while (!reader.isDone) {
    const first = reader.peek()
    if (first >= 0x80) reader.integer(7)
    else if (first >= 0x20 && first < 0x40) reader.integer(5)
    else {
      const nameIndex = reader.integer(first >= 0x40 ? 6 : 4)
      const isAuthority =
        nameIndex === 0 ? isAuthorityName(reader.text()) : nameIndex === authorityIndex
      const value = reader.text()
      if (isAuthority && value && !value.isCompressed) clean(value.bytes)
    }
  }
}

function isAuthorityName(name: HpackText | undefined): boolean {
  return name !== undefined && !name.isCompressed && authorityName.equals(name.bytes)
}

function clean(bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; at++) if (!isAuthorityByte(bytes[at] ?? 0)) bytes[at] = stand
}

function isAuthorityByte(byte: number): boolean {
  return /[\w!$%&'()*+,\-.:;=@[\]~]/.test(String.fromCharCode(byte)) && byte < 0x80
}

/** A string literal, as it stands in the block. */
interface HpackText {
  readonly bytes: Uint8Array
  /** Whether it is in Huffman's code. */
  readonly isCompressed: boolean
}

/** Reads HPACK's primitives (RFC 7541, section 5); a block that ends too early is done. */
class BlockReader {
  readonly #block: Uint8Array
  #at = 0

  constructor(block: Uint8Array) {
    this.#block = block
  }

  get isDone(): boolean {
    return this.#at >= this.#block.length
  }

  peek(): number {
    return this.#block[this.#at] ?? 0
  }

  /** @param bits those of the first byte that belong to the number */
  integer(bits: number): number {
    const max = 2 ** bits - 1
    let value = (this.#block[this.#at++] ?? 0) & max
    if (value < max) return value
    for (let factor = 1; !this.isDone && value < maxInteger; factor *= 128) {
      const byte = this.#block[this.#at++] ?? 0
      value += (byte & 0x7f) * factor
      if (byte < 0x80) return value
    }
    this.#at = this.#block.length
    return value
  }

  text(): HpackText | undefined {
    const isCompressed = this.peek() >= 0x80
    const start = this.integer(7)
    const from = this.#at
    this.#at += start
    if (this.#at > this.#block.length) return undefined
    return { bytes: this.#block.subarray(from, this.#at), isCompressed }
  }
}
