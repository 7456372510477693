import type { SigningKey } from '@mini-spire/runtime/key-manager/key-manager'
import { messageOf } from '@mini-spire/sdk/errors'
import { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import { type Certificate, parseCertificate } from '@mini-spire/sdk/x509'
import type { Validity } from '../model/rotation.ts'
import { NodeAttestationError } from './node-attestation-error.ts'

/** The agent's own X509-SVID and the key it is for. */
export interface AgentSvid extends Validity {
  readonly spiffeId: SpiffeId
  /** Leaf first. */
  readonly certificates: readonly Certificate[]
  readonly key: SigningKey
  /** Whether it is renewed by attesting again. */
  readonly isReattestable: boolean
}

/**
 * Reads the agent's chain and ties it to its key.
 *
 * @throws {NodeAttestationError} `ERR_AGENT_SVID` for an empty or unreadable chain, or one for another key
 */
export function agentSvidFrom(parts: {
  readonly chain: readonly Uint8Array[]
  readonly key: SigningKey
  readonly isReattestable: boolean
}): AgentSvid {
  const { key, isReattestable } = parts
  const certificates = parseChain(parts.chain)
  const leaf = certificates[0] as Certificate
  if (Buffer.compare(leaf.spki, key.publicKey) !== 0)
    throw new NodeAttestationError('ERR_AGENT_SVID', 'the SVID is for another key')
  return {
    spiffeId: SpiffeId.parse(leaf.uriSans[0] ?? ''),
    certificates,
    key,
    isReattestable,
    notBeforeMs: leaf.notBefore.getTime(),
    notAfterMs: leaf.notAfter.getTime(),
  }
}

/**
 * Reads a chain that a server or a file gave.
 *
 * @throws {NodeAttestationError} `ERR_AGENT_SVID`
 */
export function parseChain(chain: readonly Uint8Array[]): readonly Certificate[] {
  try {
    if (chain.length === 0) throw new TypeError('empty SVID cert chain')
    return chain.map(parseCertificate)
  } catch (error) {
    throw new NodeAttestationError(
      'ERR_AGENT_SVID',
      `failed to parse attestation response: ${messageOf(error)}`,
      { cause: error },
    )
  }
}
