import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { TrustBundle } from '../model/trust-bundle.ts'
import { createEntries } from '../registration/create-entry.ts'
import type { NewEntry } from '../registration/entry-draft.ts'
import { PendingEntries } from '../registration/pending-entries.ts'
import type { RegistrationState } from '../registration/registration-state.ts'
import { updateEntries } from '../registration/update-entry.ts'
import { Registry } from '../registry/registry.ts'
import { MemoryStore } from '../store/memory/memory-store.ts'
import { testCause, testEntry } from '../store/store.test-kit.ts'
import type { Store } from '../store/store.ts'
import { StoreError } from '../store/store-error.ts'
import {
  createFederatedBundle,
  type DeleteMode,
  deleteFederatedBundle,
  setFederatedBundle,
  updateFederatedBundle,
} from './federated-bundles.ts'

const other = TrustDomain.parse('other.org')
const modes = ['restrict', 'delete', 'dissociate'] as const
const bundle: TrustBundle = {
  trustDomain: other,
  x509Authorities: [],
  jwtAuthorities: [],
  refreshHintSeconds: 0,
  sequenceNumber: 0,
}

let registry: Registry
let store: Store
let state: RegistrationState
beforeEach(async () => {
  const clock = new FakeClock()
  registry = new Registry({ clock })
  store = MemoryStore.create({ clock })
  await store.open((changes) => registry.apply(changes))
  state = { registry, store, clock, pending: new PendingEntries() }
  await createFederatedBundle({ registry, store }, bundle, testCause)
})
afterEach(() => store.close())

function federating(id: string): NewEntry {
  const { revisionNumber: _r, createdAtSeconds: _c, ...fields } = testEntry(id)
  return { ...fields, federatesWith: [other] }
}

const remove = (mode: DeleteMode): Promise<unknown> =>
  deleteFederatedBundle({ registry, store }, other, mode, testCause).then(
    () => 'deleted',
    (error: { readonly code: string }) => error.code,
  )

describe('a bundle', () => {
  const changed = { refreshHintSeconds: 60 }

  it('is made once, and changed and deleted only where it is', async () => {
    const bundles = { registry, store }
    await expect(createFederatedBundle(bundles, bundle, testCause)).rejects.toMatchObject({
      code: 'ERR_FEDERATED_BUNDLE_EXISTS',
      kind: 'already-exists',
    })
    const nowhere = TrustDomain.parse('nope.org')
    const missing = { code: 'ERR_FEDERATED_BUNDLE_NOT_FOUND', kind: 'not-found' }
    await expect(updateFederatedBundle(bundles, nowhere, changed, testCause)).rejects.toMatchObject(
      missing,
    )
    for (const mode of modes) {
      await expect(deleteFederatedBundle(bundles, nowhere, mode, testCause)).rejects.toMatchObject(
        missing,
      )
    }
  })

  it('that cannot be stored stays as it was', async () => {
    const full = new StoreError('ERR_STORE_UNAVAILABLE', 'no space left on device')
    const broken = { registry, store: { commit: () => Promise.reject(full) } }
    const before = registry.bundles.find(other.name)
    const changes: readonly (() => Promise<unknown>)[] = [
      () => createFederatedBundle(broken, bundle, testCause),
      () => setFederatedBundle(broken, { ...bundle, ...changed }, testCause),
      () => updateFederatedBundle(broken, other, changed, testCause),
      () => deleteFederatedBundle(broken, other, 'delete', testCause),
    ]
    for (const change of changes) {
      await expect(change()).rejects.toMatchObject({
        code: 'ERR_FEDERATED_BUNDLE_NOT_STORED',
        message: 'no space left on device',
      })
    }
    expect(registry.bundles.find(other.name)).toBe(before)
  })
})

/** Entries that federate with a trust domain whose bundle is gone: there must never be one. */
const dangling = (): readonly string[] =>
  registry.bundles.find(other.name)
    ? []
    : registry.entries
        .list()
        .entries.filter(({ federatesWith }) => federatesWith.length > 0)
        .map(({ id }) => id)

describe.each(modes)('a bundle that is deleted in mode %s', (mode) => {
  it('while an entry that federates with it is being created leaves no entry without a bundle', async () => {
    const [[created], removed] = await Promise.all([
      createEntries(state, [federating('a')], testCause),
      remove(mode),
    ])
    expect(created?.kind).toBe('created')
    expect(removed).toBe(mode === 'restrict' ? 'ERR_FEDERATED_BUNDLE_IN_USE' : 'deleted')
    expect(dangling()).toEqual([])
  })

  it('just before an entry that federates with it arrives keeps that entry out', async () => {
    const [removed, [created]] = await Promise.all([
      remove(mode),
      createEntries(state, [federating('a')], testCause),
    ])
    expect(removed).toBe('deleted')
    expect(created).toMatchObject({
      kind: 'failed',
      error: {
        code: 'ERR_ENTRY_BUNDLE_MISSING',
        message: 'unable to find federated bundle "spiffe://other.org"',
      },
    })
    expect(dangling()).toEqual([])
  })

  it.each([
    ['just after', true],
    ['just before', false],
  ])(
    '%s an entry is changed to federate with it leaves none without a bundle',
    async (_, isEntryFirst) => {
      await createEntries(state, [{ ...federating('a'), federatesWith: [] }], testCause)
      const patch = { id: 'a', fields: { federatesWith: [other] } }
      const update = (): Promise<unknown> => updateEntries(state, [patch], testCause)
      const changes = isEntryFirst ? [update, () => remove(mode)] : [() => remove(mode), update]
      await Promise.all(changes.map((change) => change()))
      expect(dangling()).toEqual([])
      const isKept = registry.bundles.find(other.name) !== undefined
      expect(isKept).toBe(mode === 'restrict' && isEntryFirst)
    },
  )
})
