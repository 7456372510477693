import type { Logger } from '@mini-spire/runtime/log/logger'
import type {
  BatchCreateFederationRelationshipRequest,
  BatchDeleteFederationRelationshipRequest,
  BatchDeleteFederationRelationshipResponse,
  BatchUpdateFederationRelationshipRequest,
} from '@mini-spire/runtime/proto/spire/api/server/trustdomain/v1/trustdomain'
import type {
  FederationRelationshipMask,
  FederationRelationship as FederationRelationshipMessage,
} from '@mini-spire/runtime/proto/spire/api/types/federationrelationship'
import { isSpiffeError } from '@mini-spire/sdk/errors'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { causeOf, type ServerCall } from '../../authorization/caller.ts'
import type { FederationState } from '../../federation/commit.ts'
import {
  createRelationship,
  deleteRelationship,
  updateRelationship,
} from '../../federation/relationships.ts'
import type { FederationRelationship } from '../../model/federation-relationship.ts'
import type { TrustBundle } from '../../model/trust-bundle.ts'
import { type ItemStatus, itemFailure, okStatus } from '../failure.ts'
import {
  auditRelationship,
  type GivenRelationship,
  relationshipChangeOf,
  relationshipFromProto,
  relationshipToProto,
} from './convert.ts'
import { trustDomainMessages } from './messages.ts'

/** What follows the relationships: fetches the bundles they lead to. */
export interface BundleFollower {
  /** Looks at the relationships again at once. */
  reload(): void
  /**
   * Fetches a bundle now.
   *
   * @returns false when nothing is fetched from that trust domain
   */
  refresh(trustDomain: TrustDomain): Promise<boolean>
}

/** What the TrustDomain service works on. */
export interface TrustDomainServiceOptions {
  readonly trustDomain: TrustDomain
  readonly state: FederationState
  readonly follower: BundleFollower
}

interface RelationshipResult {
  readonly status: ItemStatus
  readonly federationRelationship: FederationRelationshipMessage | undefined
}

/** What was stored: the relationship, and the bundle to answer with. */
interface Stored {
  readonly relationship: FederationRelationship
  readonly bundle: TrustBundle | undefined
}

/** Makes relationships, each item by itself and in order. */
export function createRelationships(
  options: TrustDomainServiceOptions,
  call: ServerCall,
  { federationRelationships, outputMask }: BatchCreateFederationRelationshipRequest,
): Promise<{ results: RelationshipResult[] }> {
  return writeItems(
    options,
    call,
    { messages: federationRelationships, outputMask },
    (given, log) => createItem(options, call, given, log),
  )
}

/** Changes relationships, each item by itself and in order. With an input mask the whole message is checked all the same. */
export function updateRelationships(
  options: TrustDomainServiceOptions,
  call: ServerCall,
  {
    federationRelationships: messages,
    inputMask,
    outputMask,
  }: BatchUpdateFederationRelationshipRequest,
): Promise<{ results: RelationshipResult[] }> {
  return writeItems(options, call, { messages, inputMask, outputMask }, (given, log) =>
    updateItem(options, call, { given, inputMask }, log),
  )
}

/** Ends relationships, each item by itself and in order. */
export async function deleteRelationships(
  { state, follower }: TrustDomainServiceOptions,
  call: ServerCall,
  { trustDomains }: BatchDeleteFederationRelationshipRequest,
): Promise<BatchDeleteFederationRelationshipResponse> {
  const results: { status: ItemStatus; trustDomain: string }[] = []
  for (const text of trustDomains) {
    const result = await deleteItem(state, call, text)
    results.push(result)
    call.audit.addItem({ status: result.status, fields: { trust_domain_id: text } })
  }
  if (results.some(({ status }) => status.code === 0)) follower.reload()
  return { results }
}

async function writeItems(
  { follower }: TrustDomainServiceOptions,
  call: ServerCall,
  request: {
    readonly messages: readonly FederationRelationshipMessage[]
    readonly inputMask?: FederationRelationshipMask | undefined
    readonly outputMask: FederationRelationshipMask | undefined
  },
  write: (given: GivenRelationship, log: Logger) => Promise<Stored | ItemStatus>,
): Promise<{ results: RelationshipResult[] }> {
  const results: RelationshipResult[] = []
  for (const message of request.messages) {
    const written = await writeItem(call, message, write)
    const isDone = 'relationship' in written
    const status = isDone ? okStatus : written
    const federationRelationship = isDone
      ? relationshipToProto(written.relationship, written.bundle, request.outputMask)
      : undefined
    results.push({ status, federationRelationship })
    if (call.audit.isEnabled) {
      call.audit.addItem({ status, fields: auditRelationship(message, request.inputMask) })
    }
  }
  if (results.some(({ status }) => status.code === 0)) follower.reload()
  return { results }
}

async function writeItem(
  call: ServerCall,
  message: FederationRelationshipMessage,
  write: (given: GivenRelationship, log: Logger) => Promise<Stored | ItemStatus>,
): Promise<Stored | ItemStatus> {
  const log = call.log.with({ trust_domain_id: message.trustDomain })
  let given: GivenRelationship
  try {
    given = relationshipFromProto(message)
  } catch (error) {
    return itemFailure(log, 'invalid-argument', trustDomainMessages.convertFailed, error)
  }
  return await write(given, log)
}

async function createItem(
  { trustDomain: own, state }: TrustDomainServiceOptions,
  call: ServerCall,
  { relationship, bundle }: GivenRelationship,
  log: Logger,
): Promise<Stored | ItemStatus> {
  if (relationship.trustDomain.equals(own)) {
    return itemFailure(log, 'invalid-argument', trustDomainMessages.createOwn)
  }
  try {
    const cause = causeOf(call, 'federation relationship create')
    await createRelationship(state, relationship, bundle, cause)
  } catch (error) {
    return itemFailure(log, 'internal', trustDomainMessages.createFailed, error)
  }
  warnWithoutBundle(state, { relationship, bundle }, log)
  log.debug('Federation relationship created')
  return { relationship, bundle }
}

async function updateItem(
  { state }: TrustDomainServiceOptions,
  call: ServerCall,
  request: {
    readonly given: GivenRelationship
    readonly inputMask: FederationRelationshipMask | undefined
  },
  log: Logger,
): Promise<Stored | ItemStatus> {
  const { trustDomain } = request.given.relationship
  try {
    const change = relationshipChangeOf(request.given, request.inputMask)
    const cause = causeOf(call, 'federation relationship update')
    const relationship = await updateRelationship(state, trustDomain, change, cause)
    const bundle = state.registry.bundles.find(trustDomain.name)
    warnWithoutBundle(state, { relationship, bundle }, log)
    log.debug('Federation relationship updated')
    return { relationship, bundle }
  } catch (error) {
    return itemFailure(log, 'internal', trustDomainMessages.updateFailed, error)
  }
}

async function deleteItem(
  state: FederationState,
  call: ServerCall,
  text: string,
): Promise<{ status: ItemStatus; trustDomain: string }> {
  const refuse = (...failure: Parameters<typeof itemFailure>) => ({
    status: itemFailure(...failure),
    trustDomain: text,
  })
  if (text === '') {
    return refuse(call.log, 'invalid-argument', trustDomainMessages.missingTrustDomain)
  }
  const log = call.log.with({ trust_domain_id: text })
  let trustDomain: TrustDomain
  try {
    trustDomain = TrustDomain.parse(text)
  } catch (error) {
    return refuse(log, 'invalid-argument', trustDomainMessages.invalidTrustDomain, error)
  }
  try {
    await deleteRelationship(state, trustDomain, causeOf(call, 'federation relationship delete'))
    log.debug('Federation relationship deleted')
    return { status: okStatus, trustDomain: trustDomain.name }
  } catch (error) {
    const status = isSpiffeError(error, 'ERR_FEDERATION_RELATIONSHIP_NOT_FOUND')
      ? itemFailure(log, 'not-found', trustDomainMessages.notFound)
      : itemFailure(log, 'internal', trustDomainMessages.deleteFailed, error)
    return { status, trustDomain: trustDomain.name }
  }
}

/** Without a bundle of the endpoint's trust domain, the endpoint cannot prove who it is. */
function warnWithoutBundle(
  { registry }: FederationState,
  { relationship: { profile }, bundle }: Stored,
  log: Logger,
): void {
  if (bundle || profile.kind !== 'https_spiffe') return
  const id = profile.endpointSpiffeId
  if (registry.bundles.find(id.trustDomain.name)) return
  log.warn('bundle not found for the endpoint SPIFFE ID trust domain', {
    endpoint_spiffe_id: id.toString(),
  })
}
