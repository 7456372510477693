import type { SigningKey } from '@mini-spire/runtime/key-manager/key-manager'
import { AuthorityStatus } from '../model/authority.ts'

/** Why an authority that the journal remembers cannot be taken up again; the texts that logs have. */
export type UnusableReason =
  | 'slot expired'
  | 'no key manager key'
  | 'public key does not match key manager key'

/** Why a remembered authority cannot sign any more, or undefined when it can. */
export function unusableReason(options: {
  readonly record: { readonly notAfterSeconds: number }
  /** The authority's SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array
  /** What the key manager has under the slot's ID. */
  readonly key: SigningKey | undefined
  readonly nowSeconds: number
}): UnusableReason | undefined {
  const { record, publicKey, key, nowSeconds } = options
  if (record.notAfterSeconds < nowSeconds) return 'slot expired'
  if (!key) return 'no key manager key'
  if (Buffer.compare(key.publicKey, publicKey) !== 0)
    return 'public key does not match key manager key'
  return undefined
}

/** A status as logs name it. */
export function statusText(status: AuthorityStatus): string {
  const found = Object.entries(AuthorityStatus).find(([, number]) => number === status)
  return found?.[0].toUpperCase() ?? String(status)
}
