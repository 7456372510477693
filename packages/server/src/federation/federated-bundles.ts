import { isSpiffeError, messageOf } from '@mini-spire/sdk/errors'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import type { RegistrationEntry } from '../model/registration-entry.ts'
import type { TrustBundle } from '../model/trust-bundle.ts'
import type { Registry } from '../registry/registry.ts'
import type { AppliedChange, Cause, Mutation, Store } from '../store/store.ts'
import { commit, withRetries } from './commit.ts'
import { FederatedBundleError } from './federated-bundle-error.ts'

/** What the bundles of other trust domains are read from and written to. */
export interface FederatedBundleState {
  readonly registry: Pick<Registry, 'bundles' | 'entries'>
  readonly store: Pick<Store, 'commit'>
}

/** What happens to entries that federate with a trust domain whose bundle is deleted. */
export type DeleteMode = 'restrict' | 'delete' | 'dissociate'

/**
 * Stores the bundle of a trust domain that has none.
 *
 * @throws {FederatedBundleError} `ERR_FEDERATED_BUNDLE_EXISTS`, `ERR_FEDERATED_BUNDLE_NOT_STORED`
 */
export async function createFederatedBundle(
  state: FederatedBundleState,
  bundle: TrustBundle,
  cause: Cause,
): Promise<TrustBundle> {
  const error = await commit(state, cause, [putBundle(bundle, 'absent')])
  if (error === undefined) return bundle
  if (!isSpiffeError(error, 'ERR_RECORD_EXISTS')) throw notStored(error)
  throw new FederatedBundleError('ERR_FEDERATED_BUNDLE_EXISTS', 'bundle already exists', {
    cause: error,
  })
}

/**
 * Stores the bundle of a trust domain, in place of the one it may have.
 *
 * @throws {FederatedBundleError} `ERR_FEDERATED_BUNDLE_NOT_STORED`
 */
export async function setFederatedBundle(
  state: FederatedBundleState,
  bundle: TrustBundle,
  cause: Cause,
): Promise<TrustBundle> {
  const error = await commit(state, cause, [putBundle(bundle, 'any')])
  if (error !== undefined) throw notStored(error)
  return bundle
}

/**
 * Replaces parts of a stored bundle. The sequence number does not change by itself.
 *
 * @throws {FederatedBundleError} `ERR_FEDERATED_BUNDLE_NOT_FOUND`, `ERR_FEDERATED_BUNDLE_NOT_STORED`
 */
export async function updateFederatedBundle(
  state: FederatedBundleState,
  trustDomain: TrustDomain,
  fields: Partial<Omit<TrustBundle, 'trustDomain'>>,
  cause: Cause,
): Promise<TrustBundle> {
  return withRetries(async () => {
    const before = find(state, trustDomain)
    const after = { ...before, ...fields }
    const error = await commit(state, cause, [putBundle(after, { unchanged: before })])
    return { error, result: after }
  }, notStored)
}

/**
 * Deletes the bundle of a trust domain, and in the same step does with the entries that federate with it what the mode says:
 * refuses when there are any, deletes them, or takes the trust domain out of them. An entry that loses a trust domain gets a
 * new revision number, so that agents notice.
 *
 * @throws {FederatedBundleError} `ERR_FEDERATED_BUNDLE_NOT_FOUND`, `ERR_FEDERATED_BUNDLE_IN_USE`,
 *   `ERR_FEDERATED_BUNDLE_NOT_STORED`
 */
export async function deleteFederatedBundle(
  state: FederatedBundleState,
  trustDomain: TrustDomain,
  mode: DeleteMode,
  cause: Cause,
): Promise<void> {
  await withRetries(async () => {
    const bundle = find(state, trustDomain)
    const entries = federatingWith(state, trustDomain)
    if (mode === 'restrict' && entries.length > 0) throw inUse(entries.length)
    const error = await commit(
      state,
      cause,
      [
        ...entries.map((entry) => releaseOf(entry, trustDomain, mode)),
        { op: 'delete', kind: 'bundle', key: trustDomain.name, expect: { unchanged: bundle } },
      ],
      { holds: ({ unheard }) => hasNoOthers(state, trustDomain, new Set(entries), unheard) },
    )
    return { error, result: undefined }
  }, notStored)
}

function federatingWith(
  state: FederatedBundleState,
  trustDomain: TrustDomain,
): readonly RegistrationEntry[] {
  const filter = { federatesWith: { match: 'any', trustDomains: [trustDomain] } } as const
  return state.registry.entries.list({ filter }).entries
}

/** Whether no entry federates with a trust domain but those known; also none that is about to be there. */
function hasNoOthers(
  state: FederatedBundleState,
  trustDomain: TrustDomain,
  known: ReadonlySet<RegistrationEntry>,
  unheard: readonly AppliedChange[],
): boolean {
  const isUpcoming = unheard.some(
    ({ kind, value }) =>
      kind === 'entry' && value?.federatesWith.some((one) => one.equals(trustDomain)),
  )
  return !isUpcoming && federatingWith(state, trustDomain).every((entry) => known.has(entry))
}

function releaseOf(entry: RegistrationEntry, trustDomain: TrustDomain, mode: DeleteMode): Mutation {
  const { id: key } = entry
  const expect = { unchanged: entry }
  if (mode === 'delete') return { op: 'delete', kind: 'entry', key, expect }
  const federatesWith = entry.federatesWith.filter((one) => !one.equals(trustDomain))
  const value = { ...entry, federatesWith, revisionNumber: entry.revisionNumber + 1 }
  return { op: 'put', kind: 'entry', key, value, expect }
}

function find(state: FederatedBundleState, { name }: TrustDomain): TrustBundle {
  const bundle = state.registry.bundles.find(name)
  if (bundle) return bundle
  throw new FederatedBundleError('ERR_FEDERATED_BUNDLE_NOT_FOUND', 'bundle not found')
}

function inUse(count: number): FederatedBundleError {
  return new FederatedBundleError(
    'ERR_FEDERATED_BUNDLE_IN_USE',
    `datastore-sql: cannot delete bundle; federated with ${count} registration entries`,
  )
}

/** The write of a bundle. */
export function putBundle(
  value: TrustBundle,
  expect: 'any' | 'absent' | { readonly unchanged: TrustBundle },
): Mutation {
  return { op: 'put', kind: 'bundle', key: value.trustDomain.name, value, expect }
}

function notStored(cause: unknown): FederatedBundleError {
  return new FederatedBundleError('ERR_FEDERATED_BUNDLE_NOT_STORED', messageOf(cause), { cause })
}
