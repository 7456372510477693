import { type PublicKey, type SignedBytes, verifySignature, X509Error } from '@mini-spire/sdk/x509'
import { CertificateError } from './certificate-error.ts'
import { importPublicKey } from './import-public-key.ts'

/**
 * Checks that the holder of the key signed the request. SHA-1 and MD5 are refused, and so is an algorithm of another family
 * than the key's.
 *
 * @throws {CertificateError} `ERR_CSR_SIGNATURE`, with Go's texts
 * @throws {X509Error} `ERR_PUBLIC_KEY_MALFORMED` when the key is none
 */
export async function checkSignature(publicKey: PublicKey, signed: SignedBytes): Promise<void> {
  const key = await importPublicKey(publicKey)
  try {
    verifySignature(publicKey, signed, () => key)
  } catch (error) {
    if (error instanceof X509Error && error.code === 'ERR_SIGNATURE_REFUSED')
      throw new CertificateError('ERR_CSR_SIGNATURE', error.message, { cause: error })
    throw error
  }
}
