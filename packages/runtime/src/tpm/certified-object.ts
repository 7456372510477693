import { constants, verify } from 'node:crypto'
import { hex16, tpmAlgorithm, tpmHash } from './algorithms.ts'
import type { TpmPublicArea } from './public-area.ts'
import { TpmError } from './tpm-error.ts'
import { TpmReader } from './tpm-reader.ts'

/** TPM_GENERATED_VALUE: what a restricted key signs only for the TPM itself begins with it. */
const generatedValue = 0xff544347
const attestCertify = 0x8017
const maxAttestedBytes = 4096
/** clock, reset count, restart count, safe; firmware version. */
const clockInfoBytes = 8 + 4 + 4 + 1
const firmwareVersionBytes = 8

/** What TPM2_Certify returned. */
export interface Certification {
  /** TPMS_ATTEST. */
  readonly attested: Uint8Array
  /** TPMT_SIGNATURE over it. */
  readonly signature: Uint8Array
}

/**
 * Checks the certification of an object by an attestation key, and returns the name of the object that it certifies: read
 * from the bytes that were signed.
 *
 * The key is an RSA key that signs with PKCS #1 v1.5, as all keys are that peers make. That the key is one which
 * signs only what its TPM says (restricted) is for the caller to see to.
 *
 * @throws {TpmError} `ERR_TPM_REFUSED` for a signature of somebody else, or over something else; `ERR_TPM_MALFORMED`,
 *   `ERR_TPM_UNSUPPORTED`
 */
export function certifiedName(key: TpmPublicArea, certification: Certification): Uint8Array {
  const { attested, signature } = certification
  if (attested.length > maxAttestedBytes) {
    throw new TpmError('ERR_TPM_MALFORMED', 'certify info is too long')
  }
  if (key.type !== tpmAlgorithm.rsa) {
    throw new TpmError('ERR_TPM_UNSUPPORTED', 'only RSA keys are supported')
  }
  if (!key.has('sign')) throw new TpmError('ERR_TPM_REFUSED', 'not a signing key')
  const { algorithm, hash } = key.scheme
  if (algorithm !== tpmAlgorithm.rsaSsa) {
    throw new TpmError('ERR_TPM_UNSUPPORTED', `unsupported signature scheme ${hex16(algorithm)}`)
  }
  const publicKey = { key: key.toKeyObject(), padding: constants.RSA_PKCS1_PADDING }
  const isSigned = verify(tpmHash(hash).name, attested, publicKey, readSignature(signature, hash))
  if (!isSigned) throw new TpmError('ERR_TPM_REFUSED', 'crypto/rsa: verification error')
  return readName(attested)
}

function readSignature(bytes: Uint8Array, expectedHash: number): Uint8Array {
  const reader = new TpmReader(bytes)
  const algorithm = reader.uint16()
  if (algorithm !== tpmAlgorithm.rsaSsa) {
    throw new TpmError('ERR_TPM_UNSUPPORTED', `unsupported signature algorithm ${hex16(algorithm)}`)
  }
  const hash = reader.uint16()
  if (hash !== expectedHash) {
    throw new TpmError('ERR_TPM_REFUSED', `signature with hash ${hex16(hash)}`)
  }
  const signature = reader.sized()
  reader.end('the signature')
  return signature
}

function readName(attested: Uint8Array): Uint8Array {
  const reader = new TpmReader(attested)
  const magic = reader.uint32()
  if (magic !== generatedValue) {
    throw new TpmError('ERR_TPM_REFUSED', `incorrect magic value: ${magic.toString(16)}`)
  }
  if (reader.uint16() !== attestCertify)
    throw new TpmError('ERR_TPM_REFUSED', 'missing certify info')
  reader.sized() // qualified name of the signer
  reader.sized() // qualifying data
  reader.raw(clockInfoBytes + firmwareVersionBytes)
  const name = reader.sized()
  reader.sized() // qualified name of the object
  reader.end('the certify info')
  return name
}
