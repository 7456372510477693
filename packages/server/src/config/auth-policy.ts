import type { Node } from '@mini-spire/runtime/config/ast'
import { decodeSection } from '@mini-spire/runtime/config/decode'
import { invalid } from '@mini-spire/runtime/config/resolve-daemon'
import type { AuthPolicyConfig } from './resolved-config.ts'

const schema = {
  local: {
    type: 'section',
    optional: true,
    fields: { rego_path: { type: 'string' }, policy_data_path: { type: 'string' } },
  },
} as const

/**
 * The `auth_opa_policy_engine` block; undefined when there is none.
 *
 * @throws {ConfigError} `ERR_CONFIG_VALUE` for a block that names no policy
 */
export function resolveAuthPolicy(node: Node | undefined): AuthPolicyConfig | undefined {
  if (!node) return undefined
  const { local } = decodeSection(schema, node)
  if (!local) {
    throw invalid(
      'unable to obtain authpolicy engine: policy engine configuration must define a provider',
    )
  }
  return { policyPath: local.rego_path, dataPath: local.policy_data_path }
}
