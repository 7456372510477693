import { isSpiffeError, messageOf } from '@mini-spire/sdk/errors'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import type { FederationRelationship } from '../model/federation-relationship.ts'
import type { TrustBundle } from '../model/trust-bundle.ts'
import type { Cause, Mutation } from '../store/store.ts'
import { commit, type FederationState, withRetries } from './commit.ts'
import { putBundle } from './federated-bundles.ts'
import { RelationshipError } from './relationship-error.ts'

/** What a change of a relationship replaces; what is undefined stays. */
export interface RelationshipChange {
  readonly bundleEndpointUrl?: string | undefined
  readonly profile?: FederationRelationship['profile'] | undefined
  /** Becomes the bundle of the trust domain, in place of the one it may have. */
  readonly bundle?: TrustBundle | undefined
}

/**
 * Stores a relationship with a trust domain that has none, and its first bundle with it, in one step.
 *
 * @throws {RelationshipError} `ERR_FEDERATION_RELATIONSHIP_EXISTS`, `ERR_FEDERATION_RELATIONSHIP_NOT_STORED`
 */
export async function createRelationship(
  state: FederationState,
  relationship: FederationRelationship,
  bundle: TrustBundle | undefined,
  cause: Cause,
): Promise<void> {
  const error = await commit(state, cause, [
    ...bundleWrite(bundle),
    {
      op: 'put',
      kind: 'federation-relationship',
      key: relationship.trustDomain.name,
      value: relationship,
      expect: 'absent',
    },
  ])
  if (error === undefined) return
  if (!isSpiffeError(error, 'ERR_RECORD_EXISTS')) throw notStored(error)
  throw new RelationshipError(
    'ERR_FEDERATION_RELATIONSHIP_EXISTS',
    'datastore-sql: UNIQUE constraint failed: federated_trust_domains.trust_domain',
    { cause: error },
  )
}

/**
 * Replaces parts of a relationship, and the bundle of its trust domain when one is given, in one step.
 *
 * @returns the relationship as it is now
 * @throws {RelationshipError} `ERR_FEDERATION_RELATIONSHIP_NOT_FOUND`, `ERR_FEDERATION_RELATIONSHIP_NOT_STORED`
 */
export async function updateRelationship(
  state: FederationState,
  trustDomain: TrustDomain,
  change: RelationshipChange,
  cause: Cause,
): Promise<FederationRelationship> {
  return withRetries(async () => {
    const before = find(state, trustDomain)
    const after = {
      trustDomain: before.trustDomain,
      bundleEndpointUrl: change.bundleEndpointUrl ?? before.bundleEndpointUrl,
      profile: change.profile ?? before.profile,
    }
    const error = await commit(state, cause, [
      ...bundleWrite(change.bundle),
      {
        op: 'put',
        kind: 'federation-relationship',
        key: trustDomain.name,
        value: after,
        expect: { unchanged: before },
      },
    ])
    return { error, result: after }
  }, notStored)
}

/**
 * Ends a relationship. The bundle that it brought stays.
 *
 * @throws {RelationshipError} `ERR_FEDERATION_RELATIONSHIP_NOT_FOUND`, `ERR_FEDERATION_RELATIONSHIP_NOT_STORED`
 */
export async function deleteRelationship(
  state: FederationState,
  trustDomain: TrustDomain,
  cause: Cause,
): Promise<void> {
  await withRetries(async () => {
    const before = find(state, trustDomain)
    const error = await commit(state, cause, [
      {
        op: 'delete',
        kind: 'federation-relationship',
        key: trustDomain.name,
        expect: { unchanged: before },
      },
    ])
    return { error, result: undefined }
  }, notStored)
}

function bundleWrite(bundle: TrustBundle | undefined): readonly Mutation[] {
  return bundle ? [putBundle(bundle, 'any')] : []
}

function find(state: FederationState, { name }: TrustDomain): FederationRelationship {
  const relationship = state.registry.relationships.find(name)
  if (relationship) return relationship
  throw new RelationshipError(
    'ERR_FEDERATION_RELATIONSHIP_NOT_FOUND',
    'unable to fetch federation relationship: record not found',
  )
}

function notStored(cause: unknown): RelationshipError {
  const message = messageOf(cause)
  return new RelationshipError('ERR_FEDERATION_RELATIONSHIP_NOT_STORED', message, { cause })
}
