import { createPublicKey } from 'node:crypto'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { messageOf } from '@mini-spire/sdk/errors'
import type { TokenKey } from './published-keys.ts'

/** A JWT authority of a bundle, as stores and APIs have it. */
export interface EncodedKey {
  readonly keyId: string
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array
  /** Unix seconds; 0: not known. */
  readonly expiresAtSeconds: number
}

/** The keys that can be read; one that cannot is logged and left out. */
export function tokenKeysOf(encoded: readonly EncodedKey[], log: Logger): readonly TokenKey[] {
  return encoded.flatMap(({ keyId, publicKey: der, expiresAtSeconds }) => {
    const expiresAtMs = expiresAtSeconds > 0 ? expiresAtSeconds * 1000 : undefined
    try {
      const key = createPublicKey({ key: Buffer.from(der), format: 'der', type: 'spki' })
      return [{ keyId, publicKey: key, expiresAtMs }]
    } catch (error) {
      log.warn('Malformed public key in bundle', { kid: keyId, error: messageOf(error) })
      return []
    }
  })
}
