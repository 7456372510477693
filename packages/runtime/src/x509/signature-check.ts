import { type PublicKey, type SignedBytes, verifySignature, X509Error } from '@mini-spire/sdk/x509'
import { CertificateError } from './certificate-error.ts'

export type { SignedBytes } from '@mini-spire/sdk/x509'

/**
 * Checks that the holder of the key signed the request. SHA-1 and MD5 are refused, and so is an algorithm of another family
 * than the key's.
 *
 * @throws {CertificateError} `ERR_CSR_SIGNATURE`, with Go's texts; `ERR_PUBLIC_KEY_MALFORMED` when the key is none
 */
export function checkSignature(publicKey: PublicKey, signed: SignedBytes): void {
  try {
    verifySignature(publicKey, signed)
  } catch (error) {
    if (error instanceof X509Error && error.code === 'ERR_SIGNATURE_REFUSED')
      throw new CertificateError('ERR_CSR_SIGNATURE', error.message, { cause: error })
    throw error
  }
}
