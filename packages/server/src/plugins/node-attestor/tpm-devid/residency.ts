import { randomBytes } from 'node:crypto'
import { tpmHash } from '@mini-spire/runtime/tpm/algorithms'
import { certifiedName } from '@mini-spire/runtime/tpm/certified-object'
import { makeCredential, type TpmCredential } from '@mini-spire/runtime/tpm/make-credential'
import { TpmPublicArea } from '@mini-spire/runtime/tpm/public-area'
import { type Certificate, parseCertificate, verifyChain } from '@mini-spire/sdk/x509'
import { failed, malformed, wrapping } from '../attestor-errors.ts'
import type { ResidencyEvidence } from './tpm-devid-messages.ts'

/** What only the TPM of the endorsement certificate can answer, and only while it holds the attestation key. */
export interface ResidencyChallenge {
  readonly credential: TpmCredential
  /** The answer. */
  readonly nonce: Uint8Array
}

/** What {@link challengeResidency} checks against. */
export interface ResidencyTrust {
  /** The leaf whose chain has been verified. */
  readonly devIdCertificate: Certificate
  readonly endorsementRoots: readonly Certificate[]
  readonly now: Date
}

/**
 * Checks that the DevID key lives in the TPM of an endorsement certificate, as far as this can be done without
 * asking that TPM, and makes the question that does the rest:
 *
 * - a trusted manufacturer says that the endorsement key belongs to a TPM;
 * - the attestation key, if it lives in that TPM, signs nothing but what the TPM itself says (restricted) and cannot leave it;
 * - signed by it, the TPM says that it holds the DevID key, which is the certificate's key and cannot leave it either;
 * - the question: only the TPM of the endorsement key can answer, and only while the attestation key is in it.
 *
 * @throws {NodeAttestorError} `ERR_NODE_EVIDENCE_MALFORMED`, as SPIRE calls every refusal
 */
export function challengeResidency(
  evidence: ResidencyEvidence,
  trust: ResidencyTrust,
): ResidencyChallenge {
  const certificate = wrapping(malformed, 'cannot parse endorsement certificate', () =>
    parseCertificate(evidence.endorsementCertificate),
  )
  const devId = readPublic('DevID key', evidence.devIdPublic)
  const attestationKey = readPublic('attestation key', evidence.attestationPublic)
  const endorsementKey = readPublic('endorsement key', evidence.endorsementPublic)
  wrapping(
    malformed,
    'public key in EK certificate differs from public key created via EK template',
    () => checkSameRsaKey(certificate, endorsementKey),
  )
  wrapping(
    malformed,
    'cannot verify EK signature: endorsement certificate verification failed',
    () => verifyChain({ chain: [certificate], roots: trust.endorsementRoots, now: trust.now }),
  )
  wrapping(malformed, 'cannot verify that DevID is in the same TPM than AK', () => {
    checkAttestationKey(attestationKey)
    checkDevId(devId, trust.devIdCertificate)
    const certified = certifiedName(attestationKey, evidence.certification)
    if (!devId.name.equals(certified)) throw new Error('certify failed')
  })
  return wrapping(failed, 'cannot generate credential activation challenge', () => {
    const nonce = randomBytes(tpmHash(endorsementKey.nameAlgorithm).bytes)
    const objectName = attestationKey.name
    const question = { endorsementKey, objectName, value: nonce, random: randomBytes }
    return { credential: makeCredential(question), nonce }
  })
}

function readPublic(which: string, blob: Uint8Array): TpmPublicArea {
  return wrapping(malformed, `cannot decode ${which} public blob`, () => TpmPublicArea.parse(blob))
}

function checkSameRsaKey(certificate: Certificate, area: TpmPublicArea): void {
  const certified = certificate.publicKey.export({ format: 'jwk' })
  if (certified.kty !== 'RSA') throw new Error('key from certificate is not an RSA key')
  const shown = area.toKeyObject().export({ format: 'jwk' })
  if (shown.kty !== 'RSA') throw new Error('key from template is not an RSA key')
  if (shown.e !== certified.e) throw new Error('exponent mismatch')
  if (shown.n !== certified.n) throw new Error('modulus mismatch')
}

/** A key that is not restricted would sign a certification that its owner made up. */
function checkAttestationKey(area: TpmPublicArea): void {
  if (!area.has('restricted', 'sign') || area.has('decrypt')) {
    throw new Error('attestation key is not a restricted signing key')
  }
  if (!area.has('fixedTpm', 'sensitiveDataOrigin')) {
    throw new Error('attestation key is not fixed to its TPM')
  }
}

/** The certificate's key must be the very key that is certified, or one could live in a TPM and another answer. */
function checkDevId(area: TpmPublicArea, certificate: Certificate): void {
  if (!area.has('fixedTpm', 'sensitiveDataOrigin')) {
    throw new Error('DevID key is not fixed to its TPM')
  }
  if (!area.toKeyObject().equals(certificate.publicKey)) {
    throw new Error('DevID key is not the key of the DevID certificate')
  }
}
