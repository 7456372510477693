import { messageOf } from '@mini-spire/sdk/errors'
import { AuthorizationError } from './authorization-error.ts'
import { builtInPolicy, type PolicyEngine } from './policy-engine.ts'

/**
 * The policy that decides for a server: the built-in one, or an operator's own.
 *
 * @param files where the operator's own policy is; undefined: there is none
 * @throws {AuthorizationError} `ERR_POLICY_UNUSABLE`
 */
export async function loadPolicy(
  files: { readonly policyPath: string; readonly dataPath: string } | undefined,
): Promise<PolicyEngine> {
  if (!files) return builtInPolicy
  const { OpaPolicy } = await import('./opa/opa-policy.ts')
  try {
    return await OpaPolicy.load(files)
  } catch (cause) {
    const text = `unable to obtain authpolicy engine: ${messageOf(cause)}`
    throw new AuthorizationError('ERR_POLICY_UNUSABLE', text, { cause })
  }
}
