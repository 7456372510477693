import type { SshCertificate } from '@mini-spire/runtime/ssh/ssh-certificate'
import { SshReader } from '@mini-spire/runtime/ssh/ssh-reader'
import { sshString, sshUnsigned } from '@mini-spire/runtime/ssh/ssh-writer'
import {
  type Certificate,
  DerCursor,
  derBitString,
  derSequence,
  derTag,
  derUnsigned,
  parsePublicKey,
} from '@mini-spire/sdk/x509'
import { refused } from './attestor-errors.ts'
import type { NodeAttestationContext } from './node-attestor.ts'

/** How many points the curves have: their `n`. */
const orders: ReadonlyMap<string, bigint> = new Map([
  ['p256', 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n],
  [
    'p384',
    0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
  ],
  [
    'p521',
    0x1fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409n,
  ],
])

/**
 * The same certificate with its signature written the other way: for each ECDSA signature (r, s) the signature (r, n − s) is
 * as valid, and everybody can compute it. Who is named by all bytes of such a certificate has two names.
 *
 * @param issuer undefined: the certificate is trusted without a look at its signature
 * @returns DER; undefined for signatures of other kinds, of which there is one
 */
export function twinOfCertificate(
  certificate: Certificate,
  issuer: Certificate | undefined,
): Uint8Array | undefined {
  const kind = issuer ? parsePublicKey(issuer.spki).kind : ''
  const order = orders.get(kind.replace('ec-', ''))
  if (order === undefined) return undefined
  const { algorithm, parameters, signature } = certificate.signature
  const pair = DerCursor.over(signature).enter(derTag.sequence)
  const [r, s] = [derTag.integer, derTag.integer].map((tag) => pair.content(pair.take(tag)))
  if (!r || !s) return undefined
  const other = derSequence(derUnsigned(r), derUnsigned(mirrored(s, order)))
  return derSequence(certificate.tbs, derSequence(algorithm, parameters), derBitString(other))
}

/** As {@link twinOfCertificate}, for a certificate of OpenSSH. @returns its wire format */
export function twinOfSshCertificate({
  signed,
  signature,
}: Pick<SshCertificate, 'signed' | 'signature'>): Uint8Array | undefined {
  const { format, blob } = signature
  const order = orders.get(format.replace('ecdsa-sha2-nist', ''))
  if (order === undefined) return undefined
  const reader = new SshReader(blob)
  const [r, s] = [reader.unsigned(), reader.unsigned()]
  const pair = Buffer.concat([sshUnsigned(r), sshUnsigned(mirrored(s, order))])
  return Buffer.concat([signed, sshString(Buffer.concat([sshString(format), sshString(pair)]))])
}

/**
 * Refuses an agent that has attested already under the name of its certificate's twin: it would be two agents, and a ban of
 * one of them none of the other.
 *
 * @throws {NodeAttestorError} `ERR_NODE_EVIDENCE_REFUSED`
 */
export function refuseTwin(
  agentId: string,
  twinId: string,
  context: Pick<NodeAttestationContext, 'isAttested'>,
): void {
  if (twinId === agentId || !context.isAttested(twinId)) return
  throw refused('certificate has attested an agent already, with the other form of its signature')
}

function mirrored(s: Uint8Array, order: bigint): Buffer {
  const hex = (order - BigInt(`0x${Buffer.from(s).toString('hex') || '0'}`)).toString(16)
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')
}
