import { randomBytes, timingSafeEqual, verify } from 'node:crypto'
import type { Clock } from '@mini-spire/runtime/clock'
import { parseName } from '@mini-spire/runtime/x509/name'
import { SpiffeId, type TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { type Certificate, chainLimits, parseCertificate } from '@mini-spire/sdk/x509'
import { malformed, wrapping } from '../attestor-errors.ts'
import { refuseTwin, twinOfCertificate } from '../certificate-twin.ts'
import type { NodeAttestation, NodeAttestationContext, NodeAttestor } from '../node-attestor.ts'
import { fingerprintOf } from '../x509-pop/agent-data.ts'
import { verifiedIssuers } from '../x509-pop/verified-chains.ts'
import { challengeResidency } from './residency.ts'
import {
  encodeChallenge,
  type ResidencyEvidence,
  readAnswer,
  readEvidence,
} from './tpm-devid-messages.ts'

const name = 'tpm_devid'
const nonceBytes = 32

/** Options of {@link TpmDevIdAttestor}: its `plugin_data`. */
export interface TpmDevIdOptions {
  readonly trustDomain: TrustDomain
  readonly clock: Clock
  /** Who vouches for devices. */
  readonly devIdRoots: readonly Certificate[]
  /** Manufacturers of TPMs: an endorsement certificate is signed by one of these, for there are no intermediates. */
  readonly endorsementRoots: readonly Certificate[]
}

/**
 * Attests a node by the device identity (IEEE 802.1AR) in its TPM: a certificate, a signature that only the
 * certificate's key can make, and proof that the key cannot leave the TPM that a manufacturer vouches for.
 *
 * Refusals are INVALID_ARGUMENT, because that is what SPIRE's agents are told.
 */
export class TpmDevIdAttestor implements NodeAttestor {
  readonly name: string = name
  readonly #options: TpmDevIdOptions

  constructor(options: TpmDevIdOptions) {
    this.#options = options
  }

  async attest(payload: Uint8Array, context: NodeAttestationContext): Promise<NodeAttestation> {
    const { trustDomain, clock, devIdRoots, endorsementRoots } = this.#options
    const now = clock.now()
    const { devIdChain, residency } = readEvidence(payload)
    const chain = readChain(devIdChain)
    const [leaf] = chain
    if (!leaf) throw malformed('no DevID certificate to attest')
    const issuers = wrapping(
      malformed,
      'unable to verify DevID signature: verification failed',
      () => verifiedIssuers({ chain, roots: devIdRoots, now }),
    )
    checkPresence(residency)
    const trust = { devIdCertificate: leaf, endorsementRoots, now }
    const question = challengeResidency(residency, trust)
    const nonce = randomBytes(nonceBytes)
    const answer = readAnswer(await context.challenge(encodeChallenge(nonce, question)))
    wrapping(malformed, 'devID challenge verification failed', () =>
      checkSignature(leaf, nonce, answer.signature),
    )
    if (!isSame(question.nonce, answer.activated)) {
      throw malformed('credential activation failed: nonces are different')
    }
    const idOf = (certificate: { readonly raw: Uint8Array }): string =>
      String(SpiffeId.fromPath(trustDomain, `/spire/agent/${name}/${fingerprintOf(certificate)}`))
    const agentId = idOf(leaf)
    const twin = twinOfCertificate(leaf, issuers[0])
    if (twin) refuseTwin(agentId, idOf({ raw: twin }), context)
    return {
      agentId,
      selectorValues: selectorValuesOf(leaf, issuers),
      canReattest: true,
    }
  }
}

function readChain(encoded: readonly Uint8Array[]): readonly Certificate[] {
  if (encoded.length > chainLimits.maxCertificates) throw malformed('too many DevID certificates')
  return encoded.map((der, index) => {
    const which = index === 0 ? '' : ` intermediate`
    const number = index === 0 ? '' : ` ${index - 1}`
    return wrapping(malformed, `unable to parse DevID${which} certificate${number}`, () =>
      parseCertificate(der),
    )
  })
}

function checkPresence(evidence: ResidencyEvidence): void {
  const needed = [
    ['attestation key public blob', evidence.attestationPublic],
    ['DevID key public blob', evidence.devIdPublic],
    ['endorsement certificate', evidence.endorsementCertificate],
    ['endorsement key public blob', evidence.endorsementPublic],
  ] as const
  for (const [what, bytes] of needed) if (bytes.length === 0) throw malformed(`missing ${what}`)
}

function checkSignature(leaf: Certificate, nonce: Uint8Array, signature: Uint8Array): void {
  const kind = leaf.publicKey.asymmetricKeyType
  if (kind !== 'rsa' && kind !== 'ec') throw new Error(`unsupported private key type ${kind}`)
  if (verify('sha256', nonce, leaf.publicKey, signature)) return
  throw new Error(
    kind === 'rsa' ? 'crypto/rsa: verification error' : 'x509: ECDSA verification failure',
  )
}

function isSame(expected: Uint8Array, found: Uint8Array): boolean {
  return expected.length === found.length && timingSafeEqual(expected, found)
}

function selectorValuesOf(leaf: Certificate, issuers: readonly Certificate[]): readonly string[] {
  const subject = parseName(leaf.subjectRaw).name.commonName ?? ''
  const issuer = parseName(leaf.issuerRaw).name.commonName ?? ''
  return [
    ...(subject === '' ? [] : [`subject:cn:${subject}`]),
    ...(issuer === '' ? [] : [`issuer:cn:${issuer}`]),
    ...new Set(issuers.map((one) => `ca:fingerprint:${fingerprintOf(one)}`)),
  ]
}
