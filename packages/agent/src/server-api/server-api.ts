import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import type { AgentEntry, EntryRevision } from '../model/agent-entry.ts'
import type { TrustBundle } from '../model/trust-bundle.ts'
import type { NodeAttestation } from '../plugins/node-attestor/node-attestor.ts'

/** The agent's own SVID as a server issued it. */
export interface IssuedAgentSvid {
  /** DER, leaf first, root excluded; never empty. */
  readonly chain: readonly Uint8Array[]
  /** Whether the agent must attest again instead of renewing. */
  readonly isReattestable: boolean
}

/** One X509-SVID of a batch; without a chain the server knows no such entry for this agent, or could not sign. */
export interface SignedX509Svid {
  readonly entryId: string
  /** DER, leaf first; undefined when this one was refused. */
  readonly chain: readonly Uint8Array[] | undefined
  /** Why it was refused. */
  readonly refusal: string
}

/** A JWT-SVID as the server answered. */
export interface SignedJwtSvid {
  readonly token: string
  readonly issuedAtSeconds: number
  readonly expiresAtSeconds: number
}

/** The pages of one synchronisation of authorized entries; either all entries, or revisions to ask about. */
export type EntryListing =
  | { readonly kind: 'entries'; readonly entries: readonly AgentEntry[] }
  | { readonly kind: 'revisions'; readonly revisions: readonly EntryRevision[] }

/** An open synchronisation of authorized entries. */
export interface EntrySync {
  readonly listing: EntryListing
  /** Fetches entries by ID, a page at a time; what the server does not send any more is left out. */
  fetch(ids: readonly string[]): AsyncIterable<readonly AgentEntry[]>
}

/** A state of the authorized set, as agent and server name it to each other. */
export interface SetState {
  /** Empty: the set was asked for, not pushed; its digest is made with the empty epoch. */
  readonly epoch: string
  readonly revision: number
  /** Entries in the set. */
  readonly count: number
  /** `mini-spire set digest 1`. */
  readonly digest: Uint8Array
}

/** An entry as it was pushed. One that cannot be used counts in the set's digest all the same. */
export interface PushedEntry extends EntryRevision {
  /** Undefined: it cannot be used. */
  readonly entry: AgentEntry | undefined
}

/** What the server pushes: all entries, what has changed, the bundles, or that nothing has. */
export type PushContent =
  | { readonly kind: 'snapshot'; readonly entries: readonly PushedEntry[] }
  | {
      readonly kind: 'delta'
      readonly entries: readonly PushedEntry[]
      readonly removedIds: readonly string[]
    }
  | {
      readonly kind: 'bundles'
      readonly bundles: readonly TrustBundle[]
      readonly digest: Uint8Array
    }
  | { readonly kind: 'heartbeat' }

/** One message of a push stream. */
export interface PushMessage {
  /** What is held once this message is taken in, and those before it that said more. */
  readonly state: SetState
  /** More messages belong to this change. */
  readonly more: boolean
  readonly content: PushContent
}

/** What an agent says on a push stream. */
export type PushStep =
  | {
      readonly kind: 'open'
      /** Undefined: nothing is held. */
      readonly held: SetState | undefined
      /** Empty: none are held. */
      readonly bundlesDigest: Uint8Array
    }
  | { readonly kind: 'ack'; readonly held: SetState }

/** A connection on which the server may push. */
export interface PushLink {
  /** Aborts when the connection is to be left for another: the agent's SVID has changed, or the server is not trusted any more. */
  readonly retired: AbortSignal
  /** Opens the stream. */
  messages(steps: AsyncIterable<PushStep>, signal: AbortSignal): AsyncIterable<PushMessage>
}

/** The calls an agent makes before it has an SVID, on one connection. */
export interface AttestationApi {
  /**
   * Attests with a fresh key.
   *
   * @throws {GrpcError} what the server refused with
   * @throws {ServerApiError} `ERR_SERVER_ANSWER` when the answer lacks an SVID
   */
  attest(request: {
    readonly type: string
    readonly attestation: NodeAttestation
    readonly csr: Uint8Array
    readonly signal: AbortSignal
  }): Promise<IssuedAgentSvid>
  getBundle(signal: AbortSignal): Promise<TrustBundle>
  close(): void
}

/** The calls an agent makes with its SVID. Each has 30 seconds at most. */
export interface ServerApi {
  renew(csr: Uint8Array, signal: AbortSignal): Promise<readonly Uint8Array[]>
  postStatus(agentVersion: string, signal: AbortSignal): Promise<void>
  /** Runs `use` over one SyncAuthorizedEntries stream, which closes when it returns. */
  syncEntries<T>(signal: AbortSignal, use: (sync: EntrySync) => Promise<T>): Promise<T>
  /** All entries at once, as servers before SyncAuthorizedEntries offer them. */
  getAuthorizedEntries(signal: AbortSignal): Promise<readonly AgentEntry[]>
  /** Whether the server may push: false once it has said on this connection that it does not. */
  readonly offersPush: boolean
  /** Runs `use` over a connection on which the server pushes. */
  push<T>(use: (link: PushLink) => Promise<T>): Promise<T>
  /** Leaves the connection when its server would not be let in by the own bundle as it is now; calls under way finish. */
  releaseUntrusted(): void
  getBundle(signal: AbortSignal): Promise<TrustBundle>
  /** Undefined when the server has none for the trust domain. */
  findFederatedBundle(
    trustDomain: TrustDomain,
    signal: AbortSignal,
  ): Promise<TrustBundle | undefined>
  newX509Svids(
    requests: readonly { readonly entryId: string; readonly csr: Uint8Array }[],
    signal: AbortSignal,
  ): Promise<readonly SignedX509Svid[]>
  newJwtSvid(
    request: { readonly entryId: string; readonly audience: readonly string[] },
    options: { readonly signal: AbortSignal; readonly timeoutMs: number },
  ): Promise<SignedJwtSvid>
}
