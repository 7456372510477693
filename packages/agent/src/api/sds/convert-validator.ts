import type { Node } from '@mini-spire/runtime/proto/envoy/config/core/v3/base'

/** How a proxy is to check its peers: with its own validator that knows trust domains, or with a plain list of roots. */
export type ValidatorKind = 'spiffe' | 'roots'

/** The key of a node's metadata that goes before the agent's own setting. */
const disabledKey = 'disable_spiffe_cert_validation'

/** The first minor version of Envoy 1 that has the validator. */
const firstMinor = 18

const trueTexts: readonly string[] = ['1', 't', 'T', 'true', 'TRUE', 'True']
const falseTexts: readonly string[] = ['0', 'f', 'F', 'false', 'FALSE', 'False']

/**
 * Chooses for a proxy by what it says of itself. One that says nothing of its version is taken for a new one.
 *
 * @param isDisabled the agent's own setting
 */
export function validatorFor(node: Node | undefined, isDisabled: boolean): ValidatorKind {
  const said = readBool(node?.metadata?.[disabledKey])
  return (said ?? isDisabled) || !isNewEnough(node) ? 'roots' : 'spiffe'
}

function isNewEnough(node: Node | undefined): boolean {
  const type = node?.userAgentVersionType
  if (type?.$case !== 'userAgentBuildVersion') return true
  const { majorNumber = 0, minorNumber = 0 } = type.userAgentBuildVersion.version ?? {}
  return majorNumber > 1 || (majorNumber === 1 && minorNumber >= firstMinor)
}

/** As Go's `strconv.ParseBool`; anything else says nothing. */
function readBool(value: unknown): boolean | undefined {
  if (typeof value === 'boolean') return value
  if (typeof value !== 'string') return undefined
  if (trueTexts.includes(value)) return true
  return falseTexts.includes(value) ? false : undefined
}
