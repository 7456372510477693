import type { KeyManager, SigningKey } from '@mini-spire/runtime/key-manager/key-manager'
import { messageOf } from '@mini-spire/sdk/errors'
import { NodeAttestationError } from './node-attestation-error.ts'

/** The two slots, as SPIRE names them: a new key never replaces the one in use. */
const slotA = 'agent-svid-A'
const slotB = 'agent-svid-B'

/** The key that a certificate is for, whatever its ID. */
export async function findKeyOf(
  keys: KeyManager,
  publicKey: Uint8Array,
): Promise<SigningKey | undefined> {
  const all = await keys.listKeys()
  return all.find((key) => Buffer.compare(key.publicKey, publicKey) === 0)
}

/**
 * Makes a key in the slot that is not in use.
 *
 * @throws {NodeAttestationError} `ERR_AGENT_KEY`
 */
export async function generateNextKey(
  keys: KeyManager,
  current: SigningKey | undefined,
): Promise<SigningKey> {
  try {
    return await keys.generateKey(current?.id === slotA ? slotB : slotA, 'ec-p256')
  } catch (error) {
    throw new NodeAttestationError(
      'ERR_AGENT_KEY',
      `unable to generate private key: ${messageOf(error)}`,
      { cause: error },
    )
  }
}
