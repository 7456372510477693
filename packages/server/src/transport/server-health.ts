import type { CheckResult, HealthCheck } from '@mini-spire/runtime/health/health-checks'
import { messageOf } from '@mini-spire/sdk/errors'
import type { OwnBundle } from '../bundle/own-bundle.ts'
import type { AuthorityManager } from '../ca/authority-manager.ts'
import type { BundleManager } from '../federation/bundle-manager.ts'
import type { RelationshipHealth } from '../federation/relationship-health.ts'
import type { Issuer } from '../issuance/issuer.ts'
import type { Store } from '../store/store.ts'
import type { TokenEndpoint } from './token-endpoint.ts'

/** What the server's health is asked of. */
export interface ServerHealthOptions {
  readonly store: Pick<Store, 'writeFailure'>
  readonly bundle: Pick<OwnBundle, 'get'>
  readonly issuer: Pick<Issuer, 'checkHealth'>
  readonly authorities: Pick<AuthorityManager, 'hasFailedTooOften'>
  readonly federation: Pick<BundleManager, 'health'>
  readonly exchange: Pick<TokenEndpoint, 'keyFailures'>
}

const well: CheckResult = { isLive: true, isReady: true }

function ill(key: string, reason: string): CheckResult {
  return { isLive: false, isReady: false, details: { [key]: reason } }
}

/** The server's health checks, under SPIRE's names. */
export function serverHealthChecks(options: ServerHealthOptions): readonly HealthCheck[] {
  const { store, bundle, issuer, authorities, federation, exchange } = options
  return [
    {
      name: 'catalog.datastore',
      check: () => {
        const failure = store.writeFailure
        return failure ? ill('list_bundle_err', messageOf(failure)) : well
      },
    },
    {
      name: 'server',
      check: () => (bundle.get() ? well : ill('get_bundle_err', 'bundle not found')),
    },
    {
      name: 'server.ca',
      check: async () => {
        try {
          await issuer.checkHealth()
          return well
        } catch (error) {
          return ill('sign_x509_svid_err', messageOf(error))
        }
      },
    },
    {
      name: 'server.ca.rotator',
      check: () =>
        authorities.hasFailedTooOften
          ? ill('rotation_err', 'rotations exceed the threshold number of failures')
          : well,
    },
    {
      // Another trust domain that is away says nothing about this server: it is told, and nothing more.
      name: 'federation',
      isAside: true,
      check: () => ({ ...well, details: failingRelationships(federation.health()) }),
    },
    ...exchangeChecks(exchange),
  ]
}

/** As with other trust domains: an issuer that is away is told. */
function exchangeChecks(exchange: Pick<TokenEndpoint, 'keyFailures'>): readonly HealthCheck[] {
  if (!exchange.keyFailures) return []
  const details = (): Readonly<Record<string, string>> =>
    Object.fromEntries(exchange.keyFailures ?? [])
  return [{ name: 'token_exchange', check: () => ({ ...well, details: details() }) }]
}

/** What keeps bundles from being fetched, by trust domain. */
function failingRelationships(
  health: ReadonlyMap<string, RelationshipHealth>,
): Readonly<Record<string, unknown>> {
  const failing = [...health].filter(([, { failures }]) => failures > 0)
  return Object.fromEntries(
    failing.map(([name, { lastSuccess, lastFailure, failures, nextTry }]) => [
      name,
      {
        last_error: lastFailure?.message,
        failures,
        last_success: lastSuccess?.toISOString(),
        next_try: nextTry?.toISOString(),
      },
    ]),
  )
}
