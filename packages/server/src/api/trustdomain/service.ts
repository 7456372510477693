import { bindService, type HandlersOf, type ServiceBinding } from '@mini-spire/runtime/grpc/service'
import {
  type GetFederationRelationshipRequest,
  type ListFederationRelationshipsRequest,
  type ListFederationRelationshipsResponse,
  type RefreshBundleRequest,
  TrustDomainService,
} from '@mini-spire/runtime/proto/spire/api/server/trustdomain/v1/trustdomain'
import type { FederationRelationship } from '@mini-spire/runtime/proto/spire/api/types/federationrelationship'
import { isSpiffeError } from '@mini-spire/sdk/errors'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import type { ServerCall } from '../../authorization/caller.ts'
import { callFailure } from '../failure.ts'
import { relationshipToProto } from './convert.ts'
import { noRelationshipMessage, trustDomainMessages } from './messages.ts'
import {
  createRelationships,
  deleteRelationships,
  type TrustDomainServiceOptions,
  updateRelationships,
} from './service-batch.ts'

/** The service `spire.api.server.trustdomain.v1.TrustDomain`: federation relationships made at run time. */
export function trustDomainService(options: TrustDomainServiceOptions): ServiceBinding<ServerCall> {
  const handlers: HandlersOf<typeof TrustDomainService, ServerCall> = {
    listFederationRelationships: (call, request) => listRelationships(options, call, request),
    getFederationRelationship: (call, request) => getRelationship(options, call, request),
    batchCreateFederationRelationship: (call, request) =>
      createRelationships(options, call, request),
    batchUpdateFederationRelationship: (call, request) =>
      updateRelationships(options, call, request),
    batchDeleteFederationRelationship: (call, request) =>
      deleteRelationships(options, call, request),
    refreshBundle: (call, request) => refreshBundle(options, call, request),
  }
  return bindService(TrustDomainService, handlers)
}

function listRelationships(
  { state }: TrustDomainServiceOptions,
  call: ServerCall,
  { outputMask, pageSize, pageToken }: ListFederationRelationshipsRequest,
): ListFederationRelationshipsResponse {
  const { relationships, bundles } = state.registry
  try {
    const page = relationships.list({ pageSize, pageToken })
    return {
      federationRelationships: page.items.map((item) =>
        relationshipToProto(item, bundles.find(item.trustDomain.name), outputMask),
      ),
      nextPageToken: page.nextPageToken,
    }
  } catch (error) {
    if (!isSpiffeError(error, 'ERR_PAGE_TOKEN')) throw error
    throw callFailure(call.log, 'internal', trustDomainMessages.listFailed, error)
  }
}

function getRelationship(
  { state }: TrustDomainServiceOptions,
  call: ServerCall,
  { trustDomain: text, outputMask }: GetFederationRelationshipRequest,
): FederationRelationship {
  call.audit.addFields({ trust_domain_id: text })
  const { name } = parseName(call, text)
  const relationship = state.registry.relationships.find(name)
  if (!relationship) throw callFailure(call.log, 'not-found', trustDomainMessages.notExisting)
  return relationshipToProto(relationship, state.registry.bundles.find(name), outputMask)
}

async function refreshBundle(
  { follower }: TrustDomainServiceOptions,
  call: ServerCall,
  { trustDomain: text }: RefreshBundleRequest,
): Promise<Record<string, never>> {
  const trustDomain = parseName(call, text)
  const log = call.log.with({ trust_domain_id: trustDomain.name })
  call.audit.addFields({ trust_domain_id: text })
  let isFollowed: boolean
  try {
    isFollowed = await follower.refresh(trustDomain)
  } catch (error) {
    throw callFailure(log, 'internal', trustDomainMessages.refreshFailed, error)
  }
  if (!isFollowed) throw callFailure(log, 'not-found', noRelationshipMessage(trustDomain.name))
  log.debug('Bundle refreshed')
  return {}
}

function parseName(call: ServerCall, text: string): TrustDomain {
  try {
    return TrustDomain.parse(text)
  } catch (error) {
    throw callFailure(call.log, 'invalid-argument', trustDomainMessages.invalidTrustDomain, error)
  }
}
