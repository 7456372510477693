import {
  bindService,
  type HandlersOf,
  notImplemented,
  type ServiceBinding,
} from '@mini-spire/runtime/grpc/service'
import { TrustDomainService } from '@mini-spire/runtime/proto/spire/api/server/trustdomain/v1/trustdomain'
import type { ServerCall } from '../../authorization/caller.ts'

/** The service `spire.api.server.trustdomain.v1.TrustDomain`: known and guarded, without federation relationships so far. */
export function trustDomainService(): ServiceBinding<ServerCall> {
  const handlers: HandlersOf<typeof TrustDomainService, ServerCall> = {
    listFederationRelationships: notImplemented('ListFederationRelationships'),
    getFederationRelationship: notImplemented('GetFederationRelationship'),
    batchCreateFederationRelationship: notImplemented('BatchCreateFederationRelationship'),
    batchUpdateFederationRelationship: notImplemented('BatchUpdateFederationRelationship'),
    batchDeleteFederationRelationship: notImplemented('BatchDeleteFederationRelationship'),
    refreshBundle: notImplemented('RefreshBundle'),
  }
  return bindService(TrustDomainService, handlers)
}
