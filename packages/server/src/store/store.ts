import type { AttestedNode } from '../model/attested-node.ts'
import type { CaJournal } from '../model/authority.ts'
import type { FederationRelationship } from '../model/federation-relationship.ts'
import type { JoinToken } from '../model/join-token.ts'
import type { RegistrationEntry } from '../model/registration-entry.ts'
import type { TrustBundle } from '../model/trust-bundle.ts'
import type { UsedToken } from '../model/used-token.ts'

/** What is kept, by noun. Keys: entry ID, agent SPIFFE ID, trust domain name, token hash, journal ID,
 * trust domain name, token hash. */
export interface Records {
  readonly entry: RegistrationEntry
  readonly node: AttestedNode
  readonly bundle: TrustBundle
  readonly 'join-token': JoinToken
  readonly 'ca-journal': CaJournal
  readonly 'federation-relationship': FederationRelationship
  readonly 'used-token': UsedToken
}

export type RecordKind = keyof Records

/**
 * A place in the change log. The epoch changes on restore, import or promotion, so that no position of another history
 * is ever taken for one of this.
 */
export interface Position {
  readonly epoch: string
  readonly revision: number
}

/** Who caused a change: a local user, an agent or admin by ID, or the server itself. */
export interface Actor {
  readonly class: 'local' | 'admin' | 'agent' | 'downstream' | 'anonymous' | 'server'
  /** SPIFFE ID, or `uid:<n>` of a local caller, or the name of the server's own task. */
  readonly id: string
}

/** Why a transaction is made; recorded with each of its changes. */
export interface Cause {
  readonly actor: Actor
  readonly requestId: string
  /** The operation in a few words, such as `entry create` or `ca rotation`. */
  readonly reason: string
}

/**
 * What must hold for a mutation, checked in the same atomic step that applies it: nothing, that the key is absent or
 * present, or that the record is still the one that was read (the very object the registry handed out).
 */
export type Expectation<Value> = 'any' | 'absent' | 'present' | { readonly unchanged: Value }

/** Writes a record, new or in place of the old one. */
export interface Put<Kind extends RecordKind> {
  readonly op: 'put'
  readonly kind: Kind
  readonly key: string
  readonly value: Records[Kind]
  readonly expect: Expectation<Records[Kind]>
}

/** Removes a record. */
export interface Delete<Kind extends RecordKind> {
  readonly op: 'delete'
  readonly kind: Kind
  readonly key: string
  readonly expect: Expectation<Records[Kind]>
}

export type Mutation = { [Kind in RecordKind]: Put<Kind> | Delete<Kind> }[RecordKind]

/** What the store will be at the moment a transaction is committed, beyond what its listener has heard. */
export interface UpcomingState {
  /** Whether a record will be there. */
  isPresent(kind: RecordKind, key: string): boolean
  /** Changes that come before this transaction, and of which the listener has not heard yet; every earlier one it has. */
  readonly unheard: readonly AppliedChange[]
}

/** Mutations that happen together or not at all, with one cause. */
export interface Transaction {
  readonly cause: Cause
  readonly mutations: readonly Mutation[]
  /**
   * What must hold of other records than those that are changed; asked in the same atomic step that applies the mutations, and
   * answered at once. False refuses the transaction with `ERR_RECORD_CHANGED`. @default nothing
   */
  readonly holds?: (upcoming: UpcomingState) => boolean
}

/** One committed mutation in the one total order. Hashes are SHA-256 of the record's canonical encoding; empty: no record. */
export interface Change {
  readonly position: Position
  readonly timeMs: number
  readonly cause: Cause
  readonly kind: RecordKind
  readonly key: string
  readonly before: Uint8Array
  readonly after: Uint8Array
  /** Hash of the previous change: the log is a chain. */
  readonly previous: Uint8Array
}

/** A change as the registry applies it: with the record itself, undefined when it was deleted. */
export type AppliedChange = {
  [Kind in RecordKind]: {
    readonly kind: Kind
    readonly key: string
    readonly value: Records[Kind] | undefined
    /** The record's canonical encoding, where it is at hand. Good until the listener returns. */
    readonly encoded?: Uint8Array | undefined
    readonly position: Position
    /** Revision of the change that created the record: its place in creation order, the same for all its changes. */
    readonly createdRevision: number
  }
}[RecordKind]

/** One signed identity document: serial number or `jti` → entry, agent, time, expiry. */
export interface IssuanceRecord {
  readonly type: 'x509-svid' | 'jwt-svid' | 'x509-ca' | 'agent-svid' | 'wit-svid'
  /** Decimal serial number, `jti`, or SHA-256 of the token when it has no `jti`. */
  readonly identifier: string
  readonly spiffeId: string
  /** Empty when minted for an operator or signed for an agent. */
  readonly entryId: string
  /** SPIFFE ID of the agent or admin that asked, or `uid:<n>`. */
  readonly requester: string
  readonly issuedAtSeconds: number
  readonly expiresAtSeconds: number
}

/** An append-only stream beside the change log, written in groups off the hot path. */
export interface IssuanceLog {
  /** Returns at once; a failed write is logged and counted, it never fails the issuing. */
  append(record: IssuanceRecord): void
  /** Resolves when everything appended so far is on disk. */
  flush(): Promise<void>
  list(range: { readonly fromMs: number; readonly toMs: number }): AsyncIterable<IssuanceRecord>
}

/**
 * The server's durable state: records, and one totally ordered log of their changes.
 *
 * Nobody reads records from here while the server runs: the registry is fed by {@link Store.open}'s replay and then by
 * every commit, and answers. A commit resolves after it is durable *and* the registry has applied it.
 */
export interface Store {
  /**
   * Hands every record to the listener in creation order, then every later change, in order, synchronously, before the commit
   * that made it resolves. Called once.
   */
  open(listener: (changes: readonly AppliedChange[]) => void): Promise<void>
  position(): Position
  /**
   * Commits transactions, each atomic by itself, in the order given, with one wait for the disk.
   *
   * @returns per transaction: undefined when it was committed, else the {@link StoreError} that refused it
   *   (`ERR_RECORD_EXISTS`, `ERR_RECORD_NOT_FOUND`, `ERR_RECORD_CHANGED`)
   * @throws {StoreError} `ERR_STORE_UNAVAILABLE` when nothing can be written now: none of them has happened
   */
  commit(transactions: readonly Transaction[]): Promise<readonly (Error | undefined)[]>
  /** Committed changes from this revision on (inclusive), oldest first. */
  changes(fromRevision: number): AsyncIterable<Change>
  readonly issuance: IssuanceLog
  /** Undefined while writes are possible, else why they are refused. */
  readonly writeFailure: Error | undefined
  close(): Promise<void>
}
