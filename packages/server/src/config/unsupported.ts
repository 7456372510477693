import { ConfigError } from '@mini-spire/runtime/config/config-error'
import type { ResolvedServerConfig } from './resolved-config.ts'
import type { ServerFile } from './server-file.ts'

/**
 * Refuses what SPIRE would act on and this program cannot do yet, so that nobody runs with less than they configured.
 *
 * @throws {ConfigError} `ERR_CONFIG_UNSUPPORTED`
 */
export function refuseUnsupported(file: ServerFile, config: ResolvedServerConfig): void {
  const { experimental } = file.server
  const refused: readonly (readonly [string, boolean])[] = [
    ['federation.bundle_endpoint', config.federation.bundleEndpoint !== undefined],
    ['proxy_protocol_trusted_cidrs', config.proxyProtocolTrustedCidrs.length > 0],
    ['experimental.auth_opa_policy_engine', experimental.auth_opa_policy_engine !== undefined],
    ['experimental.require_pq_kem', experimental.require_pq_kem],
    ['experimental.feature_flags "wit-svid"', experimental.feature_flags.includes('wit-svid')],
  ]
  for (const [key, isSet] of refused) {
    if (!isSet) continue
    throw new ConfigError('ERR_CONFIG_UNSUPPORTED', `${key} is not supported by mini-spire yet`)
  }
}
