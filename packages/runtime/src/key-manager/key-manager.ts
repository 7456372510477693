import type { KeyObject } from 'node:crypto'

/** Key types by their names in configuration files. */
export type KeyType = 'ec-p256' | 'ec-p384' | 'rsa-2048' | 'rsa-4096'

export const keyTypes: readonly KeyType[] = ['rsa-2048', 'rsa-4096', 'ec-p256', 'ec-p384']

export type SignatureHash = 'sha256' | 'sha384' | 'sha512'

/** How ECDSA signatures are written: DER in certificates, r and s side by side (P1363) in JOSE. */
export type SignatureEncoding = 'der' | 'ieee-p1363'

/** Which digest is signed and how the signature is written. */
export interface SignOptions {
  readonly hash: SignatureHash
  /** @default 'der' */
  readonly encoding?: SignatureEncoding
}

/**
 * A key that signs. The private half stays inside its key manager.
 *
 * `signSync` exists when the key is in memory: the hot path uses it and falls back to `sign` (KMS, HSM, Vault).
 */
export interface SigningKey {
  readonly id: string
  readonly type: KeyType
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array
  sign(data: Uint8Array, options: SignOptions): Promise<Uint8Array>
  readonly signSync?: (data: Uint8Array, options: SignOptions) => Uint8Array
  /**
   * The private key, for a TLS stack that cannot be handed a signing function. Only key managers that hold their keys in
   * this process have it, and only the agent's TLS client asks for it.
   */
  readonly tlsKey?: () => KeyObject
}

/**
 * Makes and keeps keys by ID. Generating under an existing ID replaces that key: from then on the old one cannot sign.
 */
export interface KeyManager {
  generateKey(id: string, type: KeyType): Promise<SigningKey>
  /** @throws {KeyManagerError} `ERR_KEY_NOT_FOUND` */
  getKey(id: string): Promise<SigningKey>
  findKey(id: string): Promise<SigningKey | undefined>
  listKeys(): Promise<readonly SigningKey[]>
}
