import { BinaryReader } from './binary-reader.ts'
import { entryFlag } from './entry-codec.ts'
import { readRecordHead } from './record-codec.ts'

/**
 * Where the fields of an encoded entry are that entries are found by, without reading them.
 *
 * A field goes from `…Start` to `…End` in the encoded bytes, with its lengths: two entries have the same ID, parent or selector
 * exactly when these bytes are the same.
 */
export class EntryLayout {
  bytes: Buffer = Buffer.alloc(0)
  start = 0
  end = 0
  idStart = 0
  idEnd = 0
  parentStart = 0
  /** The path within the parent ID. */
  parentPathStart = 0
  parentEnd = 0
  /** Where each selector begins; the last number is where the last one ends. */
  readonly selectors: number[] = []
  isDownstream = false
  expiresAtSeconds = 0
  hasHint = false
  isFederated = false
  readonly #reader = new BinaryReader(this.bytes)

  /** Where the SPIFFE ID is: between ID and parent. */
  get spiffeIdStart(): number {
    return this.idEnd
  }

  get spiffeIdEnd(): number {
    return this.parentStart
  }

  /**
   * Finds the fields of the entry that is encoded from `start` to `end`, and passes over all others.
   *
   * @throws {StoreError} `ERR_STORE_VERSION`, or `ERR_STORE_CORRUPT` when the bytes are no entry
   */
  read(bytes: Buffer, start: number, end: number): this {
    this.readSelectors(bytes, start, end)
    this.#readRest(this.#reader)
    this.#reader.end()
    return this
  }

  /** Finds ID, SPIFFE ID and parent only: what a lookup compares. */
  readIds(bytes: Buffer, start: number, end: number): this {
    const reader = this.#reader
    reader.reset(bytes, start, end)
    this.bytes = bytes
    this.start = start
    this.end = end
    readRecordHead(reader, 'entry')
    this.idStart = reader.offset
    reader.skip()
    this.idEnd = reader.offset
    reader.skip()
    reader.skip()
    this.parentStart = reader.offset
    reader.skip()
    this.parentPathStart = reader.offset
    reader.skip()
    this.parentEnd = reader.offset
    return this
  }

  /** Finds IDs and selectors only. */
  readSelectors(bytes: Buffer, start: number, end: number): this {
    this.readIds(bytes, start, end)
    const reader = this.#reader
    const { selectors } = this
    selectors.length = 0
    for (let left = reader.unsigned(); left > 0; left--) {
      selectors.push(reader.offset)
      reader.skip()
      reader.skip()
    }
    selectors.push(reader.offset)
    return this
  }

  #readRest(reader: BinaryReader): void {
    this.isDownstream = (reader.byte() & entryFlag.downstream) !== 0
    reader.signed()
    reader.signed()
    this.expiresAtSeconds = reader.signed()
    reader.signed()
    reader.signed()
    const hintStart = reader.offset
    reader.skip()
    this.hasHint = reader.offset > hintStart + 1
    for (let left = reader.unsigned(); left > 0; left--) reader.skip()
    const trustDomains = reader.unsigned()
    this.isFederated = trustDomains > 0
    for (let left = trustDomains; left > 0; left--) reader.skip()
  }
}
