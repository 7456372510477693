import type { Certification } from '@mini-spire/runtime/tpm/certified-object'
import { malformed, wrapping } from '../attestor-errors.ts'
import { GoJsonObject } from '../go-json.ts'
import type { ResidencyChallenge } from './residency.ts'

/** Where the agent says the DevID key lives. */
export interface ResidencyEvidence {
  /** TPMT_PUBLIC. */
  readonly devIdPublic: Uint8Array
  /** TPMT_PUBLIC. */
  readonly attestationPublic: Uint8Array
  /** TPMT_PUBLIC. */
  readonly endorsementPublic: Uint8Array
  /** DER. */
  readonly endorsementCertificate: Uint8Array
  /** Of the DevID key, by the attestation key. */
  readonly certification: Certification
}

/** What an agent shows first. Nothing is checked yet. */
export interface DevIdEvidence {
  /** DER, leaf first. */
  readonly devIdChain: readonly Uint8Array[]
  readonly residency: ResidencyEvidence
}

/** What an agent answers. */
export interface DevIdAnswer {
  /** Signature over the nonce, by the key of the DevID certificate. */
  readonly signature: Uint8Array
  /** The nonce that the TPM gave out. */
  readonly activated: Uint8Array
}

/** @throws {NodeAttestorError} `ERR_NODE_EVIDENCE_MALFORMED` */
export function readEvidence(payload: Uint8Array): DevIdEvidence {
  return wrapping(malformed, 'unable to unmarshall attestation data', () => {
    const fields = GoJsonObject.parse(payload)
    return {
      devIdChain: fields.bytesList('devidcert'),
      residency: {
        devIdPublic: fields.bytes('devidpub'),
        attestationPublic: fields.bytes('akpub'),
        endorsementPublic: fields.bytes('ekpub'),
        endorsementCertificate: fields.bytes('ekcert'),
        certification: {
          attested: fields.bytes('certifieddevid'),
          signature: fields.bytes('certificationsignature'),
        },
      },
    }
  })
}

/** The challenge as the agent gets it: a nonce to sign, and one to have the TPM give out. */
export function encodeChallenge(nonce: Uint8Array, { credential }: ResidencyChallenge): Uint8Array {
  const fields = {
    DevID: base64(nonce),
    CredActivation: {
      Credential: base64(credential.credential),
      Secret: base64(credential.secret),
    },
  }
  return new TextEncoder().encode(JSON.stringify(fields))
}

/** @throws {NodeAttestorError} `ERR_NODE_EVIDENCE_MALFORMED` */
export function readAnswer(answer: Uint8Array): DevIdAnswer {
  return wrapping(malformed, 'unable to unmarshall challenges response', () => {
    const fields = GoJsonObject.parse(answer)
    return { signature: fields.bytes('devid'), activated: fields.bytes('credactivation') }
  })
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}
