import { Http2Error } from '../http2-error.ts'
import { errorCodes } from '../protocol.ts'
import { DynamicTable } from './dynamic-table.ts'
import { type HeaderField, headerField } from './header-field.ts'
import { decodeHuffman } from './huffman.ts'
import { staticTable } from './static-table.ts'

/** Bounds of a header list, as Node's. */
export interface HeaderLimits {
  /** Its fields, each counted with 32 bytes more (RFC 9113, 6.5.2). */
  readonly maxBytes: number
  readonly maxFields: number
}

/** No integer of a block within the bounds is longer: a prefix and four bytes (RFC 7541, 5.1). */
const maxShift = 21

/** Reads header blocks of one connection, in the order in which they come (RFC 7541). */
export class HeaderDecoder {
  readonly #limits: HeaderLimits
  readonly #table = new DynamicTable()
  #bytes: Buffer = Buffer.alloc(0)
  #at = 0

  constructor(limits: HeaderLimits) {
    this.#limits = limits
  }

  /**
   * Reads one block. One whose list is too large is read to its end, because later blocks build on it, and nothing of it kept.
   *
   * @returns undefined when the list is too large
   * @throws {Http2Error} `ERR_HTTP2_CONNECTION`: what comes later could not be read any more (RFC 9113, 4.3)
   */
  decode(block: Buffer): readonly HeaderField[] | undefined {
    this.#bytes = block
    this.#at = 0
    const { maxBytes, maxFields } = this.#limits
    const fields: HeaderField[] = []
    let size = 0
    while (this.#at < block.length) {
      const first = block[this.#at] ?? 0
      if ((first & 0xe0) === 0x20) {
        this.#resize(fields.length > 0 || size > 0)
        continue
      }
      const field = this.#field(first)
      size += field.size
      if (size > maxBytes || fields.length === maxFields) size = maxBytes + 1
      else fields.push(field)
    }
    return size > maxBytes ? undefined : fields
  }

  #field(first: number): HeaderField {
    if (first & 0x80) return this.#indexed(this.#integer(7))
    const isKept = (first & 0x40) !== 0
    const index = this.#integer(isKept ? 6 : 4)
    const name = index === 0 ? this.#string() : this.#indexed(index).name
    const field = headerField(name, this.#string())
    if (isKept) this.#table.add(field)
    return field
  }

  /** A size may only be changed at the beginning of a block (RFC 7541, 4.2). */
  #resize(isLate: boolean): void {
    if (isLate || !this.#table.resize(this.#integer(5))) throw broken('bad size of the table')
  }

  /** RFC 7541, 2.3.3. */
  #indexed(index: number): HeaderField {
    const field =
      index <= staticTable.length
        ? staticTable[index - 1]
        : this.#table.get(index - staticTable.length - 1)
    if (!field) throw broken('an index without field')
    return field
  }

  /** RFC 7541, 5.1. */
  #integer(prefixBits: number): number {
    const most = 2 ** prefixBits - 1
    let value = (this.#bytes[this.#at++] ?? 0) & most
    if (value < most) return value
    for (let shift = 0; shift <= maxShift; shift += 7) {
      const byte = this.#bytes[this.#at++]
      if (byte === undefined) break
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
    throw broken('bad integer')
  }

  /** RFC 7541, 5.2. */
  #string(): string {
    const isHuffman = ((this.#bytes[this.#at] ?? 0) & 0x80) !== 0
    const length = this.#integer(7)
    const start = this.#at
    const end = start + length
    if (end > this.#bytes.length) throw broken('text beyond the end')
    this.#at = end
    const text = isHuffman
      ? decodeHuffman(this.#bytes, start, end)
      : this.#bytes.toString('latin1', start, end)
    if (text === undefined) throw broken('bad Huffman code')
    return text
  }
}

function broken(what: string): Http2Error {
  return new Http2Error(errorCodes.compressionError, `header block: ${what}`)
}
