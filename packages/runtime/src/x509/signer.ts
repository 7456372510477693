import { createPublicKey, type KeyObject, sign } from 'node:crypto'
import { derOid, derSequence, derTag } from '@mini-spire/sdk/x509'
import { CertificateError } from './certificate-error.ts'

/** What can sign a certificate or a request: a key manager's key, for instance. */
export interface CertificateSigner {
  readonly type: 'ec-p256' | 'ec-p384' | 'ec-p521' | 'rsa-2048' | 'rsa-3072' | 'rsa-4096'
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array
  sign(data: Uint8Array, options: { readonly hash: CertificateHash }): Promise<Uint8Array>
  readonly signSync?: (data: Uint8Array, options: { readonly hash: CertificateHash }) => Uint8Array
}

/** Digests that certificates are signed with. */
export type CertificateHash = 'sha256' | 'sha384' | 'sha512'

/** How a signer's signatures are made and named in certificates. */
export interface SignatureAlgorithm {
  readonly hash: CertificateHash
  /** AlgorithmIdentifier, DER. */
  readonly identifier: Buffer
}

const ecdsaSha256: SignatureAlgorithm = {
  hash: 'sha256',
  identifier: derSequence(derOid('1.2.840.10045.4.3.2')),
}
const ecdsaSha384: SignatureAlgorithm = {
  hash: 'sha384',
  identifier: derSequence(derOid('1.2.840.10045.4.3.3')),
}
const ecdsaSha512: SignatureAlgorithm = {
  hash: 'sha512',
  identifier: derSequence(derOid('1.2.840.10045.4.3.4')),
}
const rsaSha256: SignatureAlgorithm = {
  hash: 'sha256',
  identifier: derSequence(derOid('1.2.840.113549.1.1.11'), Buffer.of(derTag.null, 0)),
}

/** The algorithm that certificates are signed with, by key type: what Go chooses, so what SPIRE's carry. */
export function signatureAlgorithmOf(signer: Pick<CertificateSigner, 'type'>): SignatureAlgorithm {
  switch (signer.type) {
    case 'ec-p256':
      return ecdsaSha256
    case 'ec-p384':
      return ecdsaSha384
    case 'ec-p521':
      return ecdsaSha512
    case 'rsa-2048':
    case 'rsa-3072':
    case 'rsa-4096':
      return rsaSha256
    default:
      return signer.type satisfies never
  }
}

/** The type of a private or public key, or undefined when certificates are not signed with such. */
export function signerTypeOf(key: KeyObject): CertificateSigner['type'] | undefined {
  const details = key.asymmetricKeyDetails
  if (key.asymmetricKeyType === 'ec') {
    if (details?.namedCurve === 'prime256v1') return 'ec-p256'
    if (details?.namedCurve === 'secp384r1') return 'ec-p384'
    if (details?.namedCurve === 'secp521r1') return 'ec-p521'
  }
  if (key.asymmetricKeyType === 'rsa') {
    if (details?.modulusLength === 2048) return 'rsa-2048'
    if (details?.modulusLength === 3072) return 'rsa-3072'
    if (details?.modulusLength === 4096) return 'rsa-4096'
  }
  return undefined
}

/**
 * Makes a signer of a private key that is in memory.
 *
 * @throws {CertificateError} `ERR_PUBLIC_KEY_REFUSED` when it is neither EC P-256, P-384, P-521 nor RSA 2048, 3072, 4096
 */
export function signerFromKeyObject(key: KeyObject): CertificateSigner {
  const type = signerTypeOf(key)
  if (!type) throw new CertificateError('ERR_PUBLIC_KEY_REFUSED', 'unsupported key type or size')
  const publicKey = createPublicKey(key).export({ type: 'spki', format: 'der' })
  const signSync = (data: Uint8Array, { hash }: { readonly hash: string }): Uint8Array =>
    sign(hash, data, key)
  return { type, publicKey, signSync, sign: async (data, options) => signSync(data, options) }
}
