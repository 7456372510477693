import type { SpiffeId, TrustDomain } from '@mini-spire/sdk/spiffe-id'
import type { Selector } from './selector.ts'

/** What an agent knows of a registration entry: enough to match workloads and to ask the server for SVIDs. */
export interface AgentEntry {
  readonly id: string
  readonly spiffeId: SpiffeId
  /** At least one. */
  readonly selectors: readonly Selector[]
  readonly federatesWith: readonly TrustDomain[]
  readonly admin: boolean
  readonly downstream: boolean
  readonly revisionNumber: number
  readonly storeSvid: boolean
  /** Empty: none. */
  readonly hint: string
  /** 0: the server did not say. */
  readonly createdAtSeconds: number
  readonly disableX509SvidPrefetch: boolean
}

/** Which state of an entry an agent holds, or a server offers. */
export interface EntryRevision {
  readonly id: string
  readonly revisionNumber: number
  /** 0: the server did not say. */
  readonly createdAtSeconds: number
}
