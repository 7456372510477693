import type { Clock } from '@mini-spire/runtime/clock'
import type { KeyManager } from '@mini-spire/runtime/key-manager/key-manager'
import type { Logger } from '@mini-spire/runtime/log/logger'
import type { Metrics } from '@mini-spire/runtime/telemetry/metrics'
import type { OwnBundle } from '../bundle/own-bundle.ts'
import { AuthorityManager } from '../ca/authority-manager.ts'
import { CredentialComposers } from '../ca/credential-composers.ts'
import { UpstreamConnection } from '../ca/upstream-connection.ts'
import type { ResolvedServerConfig } from '../config/resolved-config.ts'
import type { CredentialComposer } from '../plugins/credential-composer/credential-composer.ts'
import type { UpstreamAuthority } from '../plugins/upstream-authority/upstream-authority.ts'
import type { Registry } from '../registry/registry.ts'
import type { Store } from '../store/store.ts'
import { caMetrics, measuredKeys } from './server-metrics.ts'

/** The parts that the signing authorities are made of. */
export interface ServerAuthoritiesOptions {
  readonly config: ResolvedServerConfig
  readonly plugins: {
    readonly keyManager: KeyManager
    readonly upstreamAuthority: UpstreamAuthority | undefined
    readonly credentialComposers: readonly CredentialComposer[]
  }
  readonly registry: Registry
  readonly store: Store
  readonly bundle: OwnBundle
  readonly metrics: Metrics
  readonly clock: Clock
  readonly log: Logger
}

/** The signing authorities of a server, and what connects them to the authority above, if there is one. */
export interface ServerAuthorities {
  readonly authorities: AuthorityManager
  readonly upstream: UpstreamConnection | undefined
  /** For what the authorities sign. */
  readonly composers: CredentialComposers
}

/** Makes a server's signing authorities; nothing is started. */
export function serverAuthorities(options: ServerAuthoritiesOptions): ServerAuthorities {
  const { config, plugins, registry, store, bundle, metrics, clock } = options
  const { trustDomain, caTtlMs, caSubject } = config
  const log = options.log.with({ subsystem_name: 'ca_manager' })
  const plugin = plugins.upstreamAuthority
  const ttlSeconds = caTtlMs / 1000
  const subject = caSubject
  const composers = new CredentialComposers(plugins.credentialComposers)
  const upstream =
    plugin &&
    new UpstreamConnection({
      plugin,
      trustDomain,
      subject,
      ttlSeconds,
      bundle,
      clock,
      log,
      composers,
    })
  const authorities = new AuthorityManager({
    trustDomain,
    keyManager: measuredKeys(metrics, plugins.keyManager, clock),
    bundle,
    store,
    journals: registry.journals,
    clock,
    log,
    x509KeyType: config.caKeyType,
    jwtKeyType: config.jwtKeyType,
    witKeyType: config.witKeyType,
    caTtlSeconds: ttlSeconds,
    caSubject,
    composers,
    isJwtDisabled: config.areJwtSvidsDisabled,
    ...(upstream && {
      x509Issuer: upstream.x509Issuer,
      publishJwtAuthority: upstream.publishJwtAuthority,
    }),
    metrics: caMetrics(metrics, trustDomain, clock),
  })
  return { authorities, upstream, composers }
}
