import { AuthorizationError } from './authorization-error.ts'

/** Who may call a method. `any` means anybody: an anonymous TCP client too. */
export type Grant = 'any' | 'local' | 'admin' | 'agent' | 'downstream'

const operators: readonly Grant[] = ['local', 'admin']

/**
 * The whole policy: service, method → who may. A method that is not listed is open to nobody, and a server that would
 * serve one does not start ({@link assertPolicies}).
 */
const table: Readonly<Record<string, Readonly<Record<string, readonly Grant[]>>>> = {
  'spire.api.server.agent.v1.Agent': {
    CountAgents: operators,
    ListAgents: operators,
    GetAgent: operators,
    DeleteAgent: operators,
    BanAgent: operators,
    AttestAgent: ['any'],
    RenewAgent: ['agent'],
    CreateJoinToken: operators,
    PostStatus: ['agent'],
  },
  'spire.api.server.bundle.v1.Bundle': {
    CountBundles: operators,
    GetBundle: ['any'],
    AppendBundle: operators,
    PublishJWTAuthority: ['downstream'],
    PublishWITAuthority: ['downstream'],
    ListFederatedBundles: operators,
    GetFederatedBundle: [...operators, 'agent'],
    BatchCreateFederatedBundle: operators,
    BatchUpdateFederatedBundle: operators,
    BatchSetFederatedBundle: operators,
    BatchDeleteFederatedBundle: operators,
  },
  'spire.api.server.entry.v1.Entry': {
    CountEntries: operators,
    ListEntries: operators,
    GetEntry: operators,
    BatchCreateEntry: operators,
    BatchUpdateEntry: operators,
    BatchDeleteEntry: operators,
    GetAuthorizedEntries: ['agent'],
    SyncAuthorizedEntries: ['agent'],
  },
  'spire.api.server.svid.v1.SVID': {
    MintX509SVID: operators,
    MintJWTSVID: operators,
    MintWITSVID: operators,
    BatchNewX509SVID: ['agent'],
    NewJWTSVID: ['agent'],
    BatchNewWITSVID: ['agent'],
    NewDownstreamX509CA: ['downstream'],
  },
  'spire.api.server.trustdomain.v1.TrustDomain': {
    ListFederationRelationships: operators,
    GetFederationRelationship: operators,
    BatchCreateFederationRelationship: operators,
    BatchUpdateFederationRelationship: operators,
    BatchDeleteFederationRelationship: operators,
    RefreshBundle: operators,
  },
  'spire.api.server.localauthority.v1.LocalAuthority': {
    GetX509AuthorityState: operators,
    PrepareX509Authority: operators,
    ActivateX509Authority: operators,
    TaintX509Authority: operators,
    RevokeX509Authority: operators,
    TaintX509UpstreamAuthority: operators,
    RevokeX509UpstreamAuthority: operators,
    GetJWTAuthorityState: operators,
    PrepareJWTAuthority: operators,
    ActivateJWTAuthority: operators,
    TaintJWTAuthority: operators,
    RevokeJWTAuthority: operators,
    GetWITAuthorityState: operators,
    PrepareWITAuthority: operators,
    ActivateWITAuthority: operators,
    TaintWITAuthority: operators,
    RevokeWITAuthority: operators,
  },
  'spire.api.server.logger.v1.Logger': {
    GetLogger: ['local'],
    SetLogLevel: ['local'],
    ResetLogLevel: ['local'],
  },
  'spire.api.server.debug.v1.Debug': { GetInfo: ['local'] },
  'minispire.api.server.push.v1.Push': {
    Subscribe: ['agent'],
    FindAgents: operators,
    AwaitAgents: operators,
  },
  'minispire.api.server.federation.v1.Federation': { ListFederationHealth: operators },
  'grpc.health.v1.Health': { Check: ['local'], List: ['local'], Watch: ['local'] },
  'minispire.http.TokenExchange': { ExchangeToken: ['any'] },
}

/** Exchanging a token over HTTPS: no RPC, but decided by the same policy. */
export const exchangeMethod = '/minispire.http.TokenExchange/ExchangeToken'

const grants: ReadonlyMap<string, ReadonlySet<Grant>> = new Map(
  Object.entries(table).flatMap(([service, methods]) =>
    Object.entries(methods).map(
      ([method, who]) => [`/${service}/${method}`, new Set(who)] as const,
    ),
  ),
)

/** Who may call a method, by its full name (`/package.Service/Method`); undefined: nobody. */
export function grantsOf(method: string): ReadonlySet<Grant> | undefined {
  return grants.get(method)
}

/** Every method that the policy knows, by full name. */
export function knownMethods(): Iterable<string> {
  return grants.keys()
}

/**
 * Refuses to go on when one of the methods that are about to be served has no row in the policy.
 *
 * @throws {AuthorizationError} `ERR_METHOD_WITHOUT_POLICY` naming the methods
 */
export function assertPolicies(methods: Iterable<string>): void {
  const missing = [...methods].filter((method) => !grants.has(method))
  if (missing.length === 0) return
  throw new AuthorizationError(
    'ERR_METHOD_WITHOUT_POLICY',
    `no authorization policy for ${missing.join(', ')}`,
  )
}
