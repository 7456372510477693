import type { Head } from './head.ts'

/** A record as a backend keeps it. */
export interface StoredRecord {
  /** Kind number and place in creation order: what it is found by. */
  readonly kind: number
  readonly createdRevision: number
  /** The canonical encoding. */
  readonly bytes: Uint8Array
}

/** Where a record is kept, when it is removed. */
export type RecordPlace = Omit<StoredRecord, 'bytes'>

/** The changes of one atomic write, each with its length before it, in order. */
export interface LogSegment {
  readonly firstRevision: number
  readonly bytes: Uint8Array
}

/** A value of the issuance stream, one or more records, and when the first was appended. */
export interface StoredIssuance {
  readonly timeMs: number
  readonly bytes: Uint8Array
}

/** What is written together or not at all. Removals and puts of one place do not occur together. */
export interface BackendWrite {
  readonly puts: readonly StoredRecord[]
  readonly deletes: readonly RecordPlace[]
  readonly segment: LogSegment | undefined
  readonly issuance: readonly StoredIssuance[]
}

/**
 * Where a {@link LogStore} keeps its bytes. It knows nothing of what they mean; it promises order, atomic durable writes,
 * and that what it hands out is what was written, or an error.
 *
 * After a write has failed the backend is not used until it has been closed and opened again.
 */
export interface Backend {
  /** Opens, or opens again after {@link Backend.close}. Returns the store's epoch. */
  open(): Promise<string>
  /** Log segments that have changes of this revision or later, oldest first, in chunks. */
  segments(fromRevision: number): AsyncIterable<readonly LogSegment[]>
  /** The bytes of every record, by kind and then in creation order, in chunks. */
  records(): AsyncIterable<readonly Uint8Array[]>
  /** Issuance values that begin in this interval (end excluded), oldest first, in chunks. */
  issuance(fromMs: number, toMs: number): AsyncIterable<readonly StoredIssuance[]>
  /** Writes atomically; resolves when it survives a power cut. */
  write(write: BackendWrite): Promise<void>
  /** Remembers outside the log how far it was acknowledged, so that a log that lost its end is noticed. */
  acknowledge(head: Head): void
  /** What was remembered last; undefined when nothing was. */
  acknowledged(): Head | undefined
  /** Forgets issuance values that begin before this instant, some thousands at most; resolves to whether there may be more. */
  pruneIssuance(beforeMs: number): Promise<boolean>
  close(): Promise<void>
}
