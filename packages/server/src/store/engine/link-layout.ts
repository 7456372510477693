import { isSameSpan } from '../../packed/spans.ts'
import { BinaryReader } from '../format/binary-reader.ts'
import { readChangeVersion } from '../format/change-codec.ts'
import { hashLength } from '../format/hash.ts'
import { kindOfNumber } from '../format/record-codec.ts'
import type { KeySpan } from './record-index.ts'

/** Where the parts of an encoded change are that replaying looks at: without making texts of them a log is read in half the time. */
export class LinkLayout {
  revision = 0
  createdRevision = 0
  /** Where the previous change's hash is. */
  previousStart = 0
  /** Where the record's hash is; undefined when the change removed it. */
  afterStart: number | undefined
  readonly #key: { bytes: Buffer; start: number; end: number } = {
    bytes: Buffer.alloc(0),
    start: 0,
    end: 0,
  }
  #epochStart = 0
  #epochEnd = 0
  readonly #reader = new BinaryReader(this.#key.bytes)

  /** Kind and key of the record; good until the next change is read. */
  get key(): KeySpan {
    return this.#key
  }

  /**
   * Finds the parts of the change that is encoded from `start` to `end`.
   *
   * @throws {StoreError} `ERR_STORE_VERSION` or `ERR_STORE_CORRUPT`
   */
  read(bytes: Buffer, start: number, end: number): void {
    const reader = this.#reader
    reader.reset(bytes, start, end)
    readChangeVersion(reader)
    const epochLength = reader.unsigned()
    this.#epochStart = reader.offset
    reader.skipRaw(epochLength)
    this.#epochEnd = reader.offset
    this.revision = reader.unsigned()
    this.previousStart = reader.offset
    reader.skipRaw(hashLength)
    this.#key.bytes = bytes
    this.#key.start = reader.offset
    kindOfNumber(reader.byte())
    reader.skip()
    this.#key.end = reader.offset
    this.createdRevision = reader.unsigned()
    this.afterStart = reader.byte() === 0 ? undefined : reader.offset
    if (this.afterStart !== undefined) reader.skipRaw(hashLength)
  }

  /** Whether the change is of this history. */
  isOf(epoch: Uint8Array): boolean {
    const { bytes } = this.#key
    return isSameSpan(bytes, this.#epochStart, this.#epochEnd, epoch, 0, epoch.length)
  }
}
