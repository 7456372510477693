import { invalid } from '@mini-spire/runtime/config/resolve-daemon'
import type { Decoded } from '@mini-spire/runtime/config/schema'
import type { AuthPolicyConfig } from './resolved-config.ts'
import type { serverSchema } from './schema.ts'

type Keys = Decoded<typeof serverSchema>['experimental']['auth_opa_policy_engine']

/**
 * The `auth_opa_policy_engine` block; undefined when there is none.
 *
 * @throws {ConfigError} `ERR_CONFIG_VALUE` for a block that names no policy
 */
export function resolveAuthPolicy(keys: Keys): AuthPolicyConfig | undefined {
  if (!keys) return undefined
  const { local } = keys
  if (!local) {
    throw invalid(
      'unable to obtain authpolicy engine: policy engine configuration must define a provider',
    )
  }
  return { policyPath: local.rego_path, dataPath: local.policy_data_path }
}
