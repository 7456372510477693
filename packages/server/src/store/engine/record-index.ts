import { ByteHeap } from '../../packed/byte-heap.ts'
import { KeyTable } from '../../packed/key-table.ts'
import { isSameSpan } from '../../packed/spans.ts'
import { BinaryWriter } from '../format/binary-writer.ts'
import { hashLength } from '../format/hash.ts'
import { numberOfKind } from '../format/record-codec.ts'
import type { RecordKind } from '../store.ts'

/** What the store itself remembers of a record. */
export interface RecordSlot {
  readonly createdRevision: number
  /** Hash of its canonical encoding. */
  readonly hash: string
}

/** Kind and key of a record as records and changes have them: the kind's number, then the key with its length. */
export interface KeySpan {
  readonly bytes: Uint8Array
  readonly start: number
  readonly end: number
}

const revisionBytes = 6
const keyOffset = revisionBytes + hashLength

/**
 * Which records there are, with their hashes: what expectations are checked against. Some 110 bytes a record, outside the
 * collected heap: creation revision, hash, kind and key.
 */
export class RecordIndex {
  readonly #heap = new ByteHeap((from, to, bytes, start, end) => {
    const place = this.#table.find(bytes, start + keyOffset, end)
    if (this.#table.at(place) !== from) throw new Error('a slot has moved that no record has')
    this.#table.put(place, to)
  })
  readonly #table = new KeyTable<number>((position, bytes, start, end) =>
    this.#isOf(position, bytes, start, end),
  )
  readonly #key = new BinaryWriter()
  /** Of the slot that was made after the one that was asked for last: records are read in the order in which most were made. */
  #next: number | undefined

  get size(): number {
    return this.#table.size
  }

  get(kind: RecordKind, key: string): RecordSlot | undefined {
    const { bytes, start, end } = this.spanOf(kind, key)
    const position = this.#table.get(bytes, start, end)
    if (position === undefined) return undefined
    const slot = this.#heap.bytesOf(position)
    const at = this.#heap.startOf(position)
    return {
      createdRevision: slot.readUIntBE(at, revisionBytes),
      hash: slot.toString('latin1', at + revisionBytes, at + keyOffset),
    }
  }

  set(kind: RecordKind, key: string, slot: RecordSlot | undefined): void {
    const span = this.spanOf(kind, key)
    if (slot === undefined) this.delete(span)
    else this.put(span, slot.createdRevision, Buffer.from(slot.hash, 'latin1'), 0)
  }

  /** Remembers a record: its hash is in other bytes, from a place on. */
  put(key: KeySpan, createdRevision: number, hash: Uint8Array, hashStart: number): void {
    const place = this.#table.find(key.bytes, key.start, key.end)
    const position = place < 0 ? this.#add(key) : (this.#table.at(place) ?? 0)
    if (place < 0) this.#table.put(place, position)
    const slot = this.#heap.bytesOf(position)
    const at = this.#heap.startOf(position)
    slot.writeUIntBE(createdRevision, at, revisionBytes)
    for (let index = 0; index < hashLength; index++) {
      slot[at + revisionBytes + index] = hash[hashStart + index] ?? 0
    }
  }

  delete(key: KeySpan): void {
    const place = this.#table.find(key.bytes, key.start, key.end)
    const position = place < 0 ? undefined : this.#table.at(place)
    if (position === undefined) return
    this.#table.delete(place)
    this.#heap.free(position)
    this.#next = undefined
  }

  /** The revision that created the record of this key, if it has this hash; undefined when there is no such record. */
  createdRevision(key: KeySpan, hash: string): number | undefined {
    const { bytes, start, end } = key
    const next = this.#next
    const isNext = next !== undefined && this.#isOf(next, bytes, start, end)
    const position = isNext ? next : this.#table.get(bytes, start, end)
    if (position === undefined) return undefined
    this.#next = this.#heap.after(position)
    const slot = this.#heap.bytesOf(position)
    const at = this.#heap.startOf(position)
    if (!isHashAt(slot, at + revisionBytes, hash)) return undefined
    return slot.readUIntBE(at, revisionBytes)
  }

  /** Kind and key as bytes; good until the next call. */
  spanOf(kind: RecordKind, key: string): KeySpan {
    this.#key.reset()
    this.#key.byte(numberOfKind(kind))
    this.#key.string(key)
    return { bytes: this.#key.view(), start: 0, end: this.#key.length }
  }

  #isOf(position: number, bytes: Uint8Array, start: number, end: number): boolean {
    const heap = this.#heap
    const own = heap.startOf(position) + keyOffset
    return isSameSpan(heap.bytesOf(position), own, heap.endOf(position), bytes, start, end)
  }

  /** Makes room for a slot: its key is there, the rest follows. */
  #add({ bytes, start, end }: KeySpan): number {
    const position = this.#heap.reserve(keyOffset + end - start)
    const slot = this.#heap.bytesOf(position)
    const at = this.#heap.startOf(position) + keyOffset - start
    for (let index = start; index < end; index++) slot[at + index] = bytes[index] ?? 0
    return position
  }
}

/** Whether bytes have a hash from a place on. */
export function isHashAt(bytes: Uint8Array, start: number, hash: string): boolean {
  for (let index = 0; index < hashLength; index++) {
    if (bytes[start + index] !== hash.charCodeAt(index)) return false
  }
  return true
}
