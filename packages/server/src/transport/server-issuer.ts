import type { Clock } from '@mini-spire/runtime/clock'
import type { Metrics } from '@mini-spire/runtime/telemetry/metrics'
import type { ResolvedServerConfig } from '../config/resolved-config.ts'
import { Issuer } from '../issuance/issuer.ts'
import type { Store } from '../store/store.ts'
import type { ServerAuthorities } from './server-authorities.ts'

/** Makes what issues a server's SVIDs, with the lifetimes of its configuration; each signature is counted. */
export function serverIssuer(
  { authorities, composers }: Pick<ServerAuthorities, 'authorities' | 'composers'>,
  store: Pick<Store, 'issuance'>,
  options: {
    readonly config: ResolvedServerConfig
    readonly metrics: Metrics
    readonly clock: Clock
  },
): Issuer {
  const { config, metrics, clock } = options
  const {
    trustDomain,
    jwtIssuer,
    witIssuer,
    defaultX509SvidTtlMs,
    defaultJwtSvidTtlMs,
    agentTtlMs,
  } = config
  return new Issuer({
    trustDomain,
    authorities,
    composers,
    issuanceLog: store.issuance,
    clock,
    jwtIssuer,
    witIssuer,
    onSigned: (kind) => metrics.count(['server_ca', 'sign', kind]),
    ttls: {
      x509SvidTtlSeconds: defaultX509SvidTtlMs / 1000,
      jwtSvidTtlSeconds: defaultJwtSvidTtlMs / 1000,
      agentSvidTtlSeconds: (agentTtlMs ?? defaultX509SvidTtlMs) / 1000,
      caTtlSeconds: config.caTtlMs / 1000,
    },
  })
}
