import type { AttestedNode } from '../model/attested-node.ts'
import type { JoinToken } from '../model/join-token.ts'
import type { RegistrationEntry } from '../model/registration-entry.ts'
import type { Mutation, Store } from '../store/store.ts'

/** What attestation reads: the registry, as far as nodes, tokens and the alias entries of nodes go. */
export interface AttestationRecords {
  readonly nodes: { find(spiffeId: string): AttestedNode | undefined }
  readonly joinTokens: { find(tokenHash: string): JoinToken | undefined }
  readonly entries: { childrenOf(parentId: string): Iterable<RegistrationEntry> }
}

/** Where attestation writes. Reads come from the records, which every commit has updated when it resolves. */
export interface AttestationState {
  readonly records: AttestationRecords
  readonly store: Pick<Store, 'commit'>
}

/** The mutation that writes a node in place of the one that was read, or anew when there was none. */
export function putNode(node: AttestedNode, existing: AttestedNode | undefined): Mutation {
  return {
    op: 'put',
    kind: 'node',
    key: String(node.spiffeId),
    value: node,
    expect: existing ? { unchanged: existing } : 'absent',
  }
}
