import { CertificateError } from '@mini-spire/runtime/x509/certificate-error'
import { type Csr, parseCsr } from '@mini-spire/runtime/x509/csr'
import { messageOf } from '@mini-spire/sdk/errors'
import { IssuanceError } from './issuance-error.ts'

/** What is put before the reason for which a request is refused; peers of each RPC know theirs. */
export interface CsrTexts {
  readonly malformed: string
  readonly badSignature: string
}

/** Texts of BatchNewX509SVID and NewDownstreamX509CA. */
export const csrTexts: CsrTexts = {
  malformed: 'malformed CSR',
  badSignature: 'invalid CSR signature',
}

/** Texts of MintX509SVID. */
export const mintCsrTexts: CsrTexts = {
  malformed: 'malformed CSR',
  badSignature: 'failed to verify CSR signature',
}

/** Texts of AttestAgent and RenewAgent. */
export const agentCsrTexts: CsrTexts = {
  malformed: 'failed to parse CSR',
  badSignature: 'invalid CSR signature',
}

/**
 * Reads a signing request and checks that its sender holds the key in it: the only way by which a public key gets from a
 * caller into a certificate.
 *
 * @throws {IssuanceError} `ERR_CSR_REFUSED`
 */
export async function csrWithProvenKey(der: Uint8Array, texts: CsrTexts): Promise<Csr> {
  try {
    const csr = parseCsr(der)
    await csr.verifySignature()
    return csr
  } catch (error) {
    throw refusedCsr(error, texts)
  }
}

/** The refusal of a request that could not be read or verified. */
export function refusedCsr(error: unknown, texts: CsrTexts): IssuanceError {
  const isSignature = error instanceof CertificateError && error.code === 'ERR_CSR_SIGNATURE'
  const prefix = isSignature ? texts.badSignature : texts.malformed
  return new IssuanceError('ERR_CSR_REFUSED', `${prefix}: ${messageOf(error)}`, { cause: error })
}
