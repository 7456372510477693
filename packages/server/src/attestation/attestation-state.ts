import type { AttestedNode } from '../model/attested-node.ts'
import type { Registry } from '../registry/registry.ts'
import type { Mutation, Store } from '../store/store.ts'

/** What attestation reads: nodes, tokens, and the alias entries of nodes. */
export type AttestationRecords = Pick<Registry, 'nodes' | 'joinTokens' | 'entries'>

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
