import { bindService, type HandlersOf, type ServiceBinding } from '@mini-spire/runtime/grpc/service'
import {
  type FederationHealth,
  FederationService,
} from '@mini-spire/runtime/proto/minispire/api/server/federation/v1/federation'
import type { ServerCall } from '../../authorization/caller.ts'
import type { RelationshipHealth } from '../../federation/relationship-health.ts'

/** What the Federation service is asked of. */
export interface FederationServiceOptions {
  /** How each relationship stands, by trust domain name. */
  readonly health: () => ReadonlyMap<string, RelationshipHealth>
}

/** The service `minispire.api.server.federation.v1.Federation`: how the fetching of bundles goes. */
export function federationService(options: FederationServiceOptions): ServiceBinding<ServerCall> {
  const handlers: HandlersOf<typeof FederationService, ServerCall> = {
    listFederationHealth: (_call, { trustDomain }) => ({
      relationships: [...options.health()]
        .filter(([name]) => trustDomain === '' || name === trustDomain)
        .map(([name, health]) => healthToProto(name, health)),
    }),
  }
  return bindService(FederationService, handlers)
}

function healthToProto(trustDomain: string, health: RelationshipHealth): FederationHealth {
  const { isStatic, lastSuccess, lastFailure, failures, nextTry } = health
  const ms = (at: Date | undefined): bigint => BigInt(at?.getTime() ?? 0)
  return {
    trustDomain,
    isStatic,
    lastSuccessMs: ms(lastSuccess),
    lastFailureMs: ms(lastFailure?.at),
    lastError: lastFailure?.message ?? '',
    failures,
    nextTryMs: ms(nextTry),
  }
}
