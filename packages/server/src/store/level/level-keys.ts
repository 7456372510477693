/** First bytes of the keys, which keep apart what is stored. */
export const prefix = { change: 0x63, issuance: 0x69, meta: 0x6d, record: 0x72 } as const

const revisionBytes = 6

/** The key of a record: its kind and its place in creation order, so that bulk writes append and reading is in that order. */
export function recordKey(kind: number, createdRevision: number): Buffer {
  const key = Buffer.alloc(2 + revisionBytes)
  key[0] = prefix.record
  key[1] = kind
  key.writeUIntBE(createdRevision, 2, revisionBytes)
  return key
}

/** The key of a log segment: the revision of its first change. */
export function segmentKey(firstRevision: number): Buffer {
  const key = Buffer.alloc(1 + revisionBytes)
  key[0] = prefix.change
  key.writeUIntBE(firstRevision, 1, revisionBytes)
  return key
}

/** The revision in a log segment's key; undefined when it is not one. */
export function parseSegmentKey(key: Buffer): number | undefined {
  if (key.length !== 1 + revisionBytes || key[0] !== prefix.change) return undefined
  return key.readUIntBE(1, revisionBytes)
}

/** The key of an issuance record: when it was appended, and a number that keeps records of one instant apart. */
export function issuanceKey(timeMs: number, sequence: number): Buffer {
  const key = Buffer.alloc(1 + revisionBytes + revisionBytes)
  key[0] = prefix.issuance
  key.writeUIntBE(timeMs, 1, revisionBytes)
  key.writeUIntBE(sequence, 1 + revisionBytes, revisionBytes)
  return key
}

/** The instant in an issuance record's key. */
export function parseIssuanceKey(key: Buffer): number {
  return key.readUIntBE(1, revisionBytes)
}

/** The first key after all keys that begin with this byte. */
export function endOf(first: number): Buffer {
  return Buffer.of(first + 1)
}

/** The key of the record that says what this store is. */
export const metaKey: Buffer = Buffer.of(prefix.meta)
