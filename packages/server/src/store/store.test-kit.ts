import { SpiffeId, TrustDomain } from '@mini-spire/sdk/spiffe-id'
import type { AttestedNode } from '../model/attested-node.ts'
import type { RegistrationEntry } from '../model/registration-entry.ts'
import type { Selector } from '../model/selector.ts'
import type { AppliedChange, Cause, Put, RecordKind, Records, Transaction } from './store.ts'

/** The trust domain of test records. */
export const testDomain: TrustDomain = TrustDomain.parse('example.org')

/** An ID of the test trust domain. */
export function testId(path: string): SpiffeId {
  return SpiffeId.fromPath(testDomain, path)
}

/** `type:value` texts as selectors. */
export function testSelectors(...texts: readonly string[]): readonly Selector[] {
  return texts.map((text) => {
    const colon = text.indexOf(':')
    return { type: text.slice(0, colon), value: text.slice(colon + 1) }
  })
}

/** An entry of which a test names only what it is about. */
export function testEntry(id: string, fields: Partial<RegistrationEntry> = {}): RegistrationEntry {
  return {
    id,
    spiffeId: testId(`/workload/${id}`),
    parentId: testId('/spire/agent/join_token/one'),
    selectors: testSelectors('unix:uid:1000'),
    x509SvidTtlSeconds: 0,
    jwtSvidTtlSeconds: 0,
    federatesWith: [],
    admin: false,
    downstream: false,
    expiresAtSeconds: 0,
    dnsNames: [],
    revisionNumber: 0,
    storeSvid: false,
    hint: '',
    createdAtSeconds: 1_700_000_000,
    disableX509SvidPrefetch: false,
    jwtSvidIncludeJti: false,
    ...fields,
  }
}

/** A node of which a test names only what it is about. */
export function testNode(path: string, fields: Partial<AttestedNode> = {}): AttestedNode {
  return {
    spiffeId: testId(path),
    attestationType: 'join_token',
    serialNumber: '1',
    expiresAtSeconds: 2_000_000_000,
    newSerialNumber: '',
    newExpiresAtSeconds: 0,
    canReattest: false,
    agentVersion: '',
    selectors: [],
    ...fields,
  }
}

/** A cause for writes of tests. */
export const testCause: Cause = {
  actor: { class: 'local', id: 'uid:1000' },
  requestId: '11111111-2222-4333-8444-555555555555',
  reason: 'test',
}

/** A transaction that only puts entries. */
export function putEntries(...entries: readonly RegistrationEntry[]): Transaction {
  return {
    cause: testCause,
    mutations: entries.map((value) => putEntry(value)),
  }
}

/** A put of an entry that must be new, unless said otherwise. */
export function putEntry(
  value: RegistrationEntry,
  expect: Put<'entry'>['expect'] = 'absent',
): Put<'entry'> {
  return { op: 'put', kind: 'entry', key: value.id, value, expect }
}

/** Records by kind and key, as a listener sees them. */
export class RecordedState {
  readonly changes: AppliedChange[] = []
  readonly #records = new Map<string, unknown>()

  readonly listener = (changes: readonly AppliedChange[]): void => {
    for (const { kind, key, value, position, createdRevision } of changes) {
      this.changes.push({ kind, key, value, position, createdRevision } as AppliedChange)
      const name = `${kind} ${key}`
      if (value === undefined) this.#records.delete(name)
      else this.#records.set(name, value)
    }
  }

  get<Kind extends RecordKind>(kind: Kind, key: string): Records[Kind] | undefined {
    return this.#records.get(`${kind} ${key}`) as Records[Kind] | undefined
  }

  names(): readonly string[] {
    return [...this.#records.keys()]
  }
}
