import { messageOf } from '@mini-spire/sdk/errors'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import type { FederationRelationship } from '../model/federation-relationship.ts'
import type { TrustBundle } from '../model/trust-bundle.ts'
import type { Cause } from '../store/store.ts'
import { BundleEndpointError } from './bundle-endpoint-error.ts'
import { checkFetchedBundle } from './check-fetched-bundle.ts'
import { commit, type FederationState, withRetries } from './commit.ts'
import { putBundle } from './federated-bundles.ts'
import type { BundleFetcher } from './fetch-bundle.ts'
import { isSameBundle, trustBundleOf } from './spiffe-bundle.ts'

/** What a refresh works with. */
export interface RefreshOptions {
  readonly ownTrustDomain: TrustDomain
  readonly state: FederationState
  readonly fetcher: Pick<BundleFetcher, 'fetch'>
}

const cause: Cause = {
  actor: { class: 'server', id: 'bundle client' },
  requestId: '',
  reason: 'federated bundle refresh',
}

/**
 * Fetches the bundle that a relationship leads to, and stores it when it may be believed and says anything new.
 *
 * @returns the stored bundle when it is a new one, undefined when nothing has changed
 * @throws {BundleEndpointError} whatever went wrong; the stored bundle is as it was
 */
export async function refreshBundle(
  { ownTrustDomain, state, fetcher }: RefreshOptions,
  relationship: FederationRelationship,
  signal?: AbortSignal,
): Promise<TrustBundle | undefined> {
  const { bundles } = state.registry
  const fetched = await fetcher.fetch(relationship, signal)
  const bundle = trustBundleOf(fetched)
  return await withRetries(async () => {
    checkFetchedBundle(fetched, { ownTrustDomain, findBundle: (name) => bundles.find(name) })
    const stored = bundles.find(bundle.trustDomain.name)
    if (stored && isSameBundle(stored, bundle)) return { error: undefined, result: undefined }
    const expect = stored ? { unchanged: stored } : 'absent'
    const error = await commit(state, cause, [putBundle(bundle, expect)])
    return { error, result: bundle }
  }, notStored)
}

function notStored(error: unknown): BundleEndpointError {
  const message = `failed to store fetched federated bundle: ${messageOf(error)}`
  return new BundleEndpointError('ERR_BUNDLE_ENDPOINT_NOT_STORED', message, { cause: error })
}
