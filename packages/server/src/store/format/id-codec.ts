import { SpiffeId, TrustDomain } from '@mini-spire/sdk/spiffe-id'
import type { Selector } from '../../model/selector.ts'
import type { BinaryReader } from './binary-reader.ts'
import type { BinaryWriter } from './binary-writer.ts'

/** Writes an ID as trust domain name and path. */
export function writeId(writer: BinaryWriter, id: SpiffeId): void {
  writer.string(id.trustDomain.name)
  writer.string(id.path)
}

/** Writes selectors as their number and each one's type and value. */
export function writeSelectors(writer: BinaryWriter, selectors: readonly Selector[]): void {
  writer.unsigned(selectors.length)
  for (const { type, value } of selectors) {
    writer.string(type)
    writer.string(value)
  }
}

/**
 * Reads IDs and selectors. They were checked before they were written, and hashes say they are what was written, so
 * they are not parsed again.
 */
export class IdReader {
  #trustDomain: TrustDomain | undefined

  id(reader: BinaryReader): SpiffeId {
    const trustDomain = this.trustDomain(reader)
    return SpiffeId.fromCheckedParts(trustDomain, reader.string())
  }

  /** Nearly always the one read before, so that one is tried first. */
  trustDomain(reader: BinaryReader): TrustDomain {
    const name = reader.string()
    if (this.#trustDomain?.name !== name) this.#trustDomain = TrustDomain.fromCheckedName(name)
    return this.#trustDomain
  }

  selectors(reader: BinaryReader): readonly Selector[] {
    const selectors: Selector[] = []
    for (let left = reader.unsigned(); left > 0; left--) {
      const type = reader.string()
      selectors.push({ type, value: reader.string() })
    }
    return selectors
  }
}

/** Writes strings as their number and each one. */
export function writeStrings(writer: BinaryWriter, strings: readonly string[]): void {
  writer.unsigned(strings.length)
  for (const text of strings) writer.string(text)
}

/** Reads a list: its number, then each item. */
export function readList<Item>(reader: BinaryReader, read: () => Item): readonly Item[] {
  const items: Item[] = []
  for (let left = reader.unsigned(); left > 0; left--) items.push(read())
  return items
}
