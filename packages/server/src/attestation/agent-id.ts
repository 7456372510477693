import { messageOf } from '@mini-spire/sdk/errors'
import { SpiffeId, type TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { isExchangeId } from '../model/exchange-id.ts'
import { AttestationError } from './attestation-error.ts'

const serverPath = '/spire/server'

/**
 * Checks the agent ID that a node attestor found. It may not be the server's own, nor one that
 * entries for exchanged tokens have as their parent: whoever had it would be given those entries.
 *
 * That it lies outside `/spire/agent/<attestor>/` is not refused, since attestors in use make such IDs: see
 * {@link strayingOf}.
 *
 * @throws {AttestationError} `ERR_AGENT_ID_REFUSED`
 */
export function parseAgentId(text: string): SpiffeId {
  let id: SpiffeId
  try {
    id = SpiffeId.parse(text)
  } catch (cause) {
    throw new AttestationError('ERR_AGENT_ID_REFUSED', `invalid agent ID: ${messageOf(cause)}`, {
      cause,
    })
  }
  if (isExchangeId(id)) {
    throw new AttestationError('ERR_AGENT_ID_REFUSED', 'agent ID stands for an issuer of tokens')
  }
  if (id.path === serverPath) {
    throw new AttestationError('ERR_AGENT_ID_REFUSED', 'agent ID cannot collide with the server ID')
  }
  return id
}

/** Why an agent ID does not lie where its attestor's IDs belong; undefined when it does. */
export function strayingOf(
  id: SpiffeId,
  trustDomain: TrustDomain,
  attestor: string,
): string | undefined {
  if (!id.isMemberOf(trustDomain)) return `"${id}" is not a member of trust domain "${trustDomain}"`
  if (id.path.startsWith(`/spire/agent/${attestor}/`)) return undefined
  return `"${id}" is not in the agent namespace for attestor ${JSON.stringify(attestor)}`
}
