import { quoteGo } from '@mini-spire/runtime/go-quote'
import { AgentPathTemplate } from './agent-path-template.ts'
import { misconfigured } from './attestor-errors.ts'

/**
 * Reads the `agent_path_template` of an attestor.
 *
 * @param kind what SPIRE calls it, which depends on the attestor
 * @throws {NodeAttestorError} `ERR_NODE_ATTESTOR_CONFIG`
 */
export function readAgentPathTemplate(text: string, kind: 'svid' | 'path'): AgentPathTemplate {
  try {
    return AgentPathTemplate.parse(text)
  } catch (cause) {
    throw misconfigured(`failed to parse agent ${kind} template: ${quoteGo(text)}`, cause)
  }
}
