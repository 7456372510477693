import { constants, type KeyObject, verify } from 'node:crypto'
import { derOid } from './der-writer.ts'
import type { PublicKey, PublicKeyKind } from './public-key.ts'
import { X509Error } from './x509-error.ts'

/** A signature: what was signed, how, and the signature. */
export interface SignedBytes {
  readonly signed: Uint8Array
  /** OBJECT IDENTIFIER of the algorithm, DER. */
  readonly algorithm: Buffer
  /** What follows the OBJECT IDENTIFIER, DER; empty when nothing does. */
  readonly parameters: Buffer
  readonly signature: Uint8Array
}

type Family = 'ecdsa' | 'rsa' | 'rsa-pss' | 'ed25519'

interface Algorithm {
  readonly oid: Buffer
  readonly family: Family
  readonly hash: string | undefined
  /** The only parameters that are accepted; undefined: they are not looked at. */
  readonly parameters?: Buffer
}

const pssOid = derOid('1.2.840.113549.1.1.10')
/** RSASSA-PSS with this hash for both uses and a salt as long as the hash: the only forms that TLS and Go know. */
const pss = (hash: string, parameters: string): Algorithm => ({
  oid: pssOid,
  family: 'rsa-pss',
  hash,
  parameters: Buffer.from(parameters, 'hex'),
})
const plain = (family: Family, hash: string | undefined, oid: string): Algorithm => ({
  oid: derOid(oid),
  family,
  hash,
})

const algorithms: readonly Algorithm[] = [
  plain('ecdsa', 'sha256', '1.2.840.10045.4.3.2'),
  plain('ecdsa', 'sha384', '1.2.840.10045.4.3.3'),
  plain('ecdsa', 'sha512', '1.2.840.10045.4.3.4'),
  plain('rsa', 'sha256', '1.2.840.113549.1.1.11'),
  plain('rsa', 'sha384', '1.2.840.113549.1.1.12'),
  plain('rsa', 'sha512', '1.2.840.113549.1.1.13'),
  pss(
    'sha256',
    '3034a00f300d06096086480165030402010500a11c301a06092a864886f70d010108300d06096086480165030402010500a203020120',
  ),
  pss(
    'sha384',
    '3034a00f300d06096086480165030402020500a11c301a06092a864886f70d010108300d06096086480165030402020500a203020130',
  ),
  pss(
    'sha512',
    '3034a00f300d06096086480165030402030500a11c301a06092a864886f70d010108300d06096086480165030402030500a203020140',
  ),
  plain('ed25519', undefined, '1.3.101.112'),
]

const insecure: readonly { readonly oid: Buffer; readonly name: string }[] = [
  { oid: derOid('1.2.840.10045.4.1'), name: 'ECDSA-SHA1' },
  { oid: derOid('1.2.840.113549.1.1.5'), name: 'SHA1-RSA' },
  { oid: derOid('1.2.840.113549.1.1.4'), name: 'MD5-RSA' },
]

/**
 * Checks that the holder of the key signed the bytes. SHA-1 and MD5 are refused, and so is an algorithm of another family
 * than the key's.
 *
 * @param importKey gives the imported key; by default it is imported anew
 * @throws {X509Error} `ERR_SIGNATURE_REFUSED`, with Go's texts; `ERR_PUBLIC_KEY_MALFORMED` when the key is none
 */
export function verifySignature(
  publicKey: PublicKey,
  signed: SignedBytes,
  importKey: () => KeyObject = () => publicKey.toKeyObject(),
): void {
  const algorithm = findAlgorithm(signed)
  if (!fits(algorithm.family, publicKey.kind))
    throw refused('x509: signature algorithm does not fit the public key')
  const key = importKey()
  const input =
    algorithm.family === 'rsa-pss'
      ? {
          key,
          padding: constants.RSA_PKCS1_PSS_PADDING,
          saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
        }
      : key
  if (!verify(algorithm.hash, signed.signed, input, signed.signature))
    throw refused(failures[algorithm.family])
}

const failures: Readonly<Record<Family, string>> = {
  ecdsa: 'x509: ECDSA verification failure',
  rsa: 'crypto/rsa: verification error',
  'rsa-pss': 'crypto/rsa: verification error',
  ed25519: 'x509: Ed25519 verification failure',
}

function findAlgorithm({ algorithm: oid, parameters }: SignedBytes): Algorithm {
  const found = algorithms.find(
    (one) => one.oid.equals(oid) && (one.parameters?.equals(parameters) ?? true),
  )
  if (found) return found
  const weak = insecure.find((one) => one.oid.equals(oid))
  throw refused(
    weak
      ? `x509: cannot verify signature: insecure algorithm ${weak.name}`
      : 'x509: cannot verify signature: algorithm unimplemented',
  )
}

function fits(family: Family, kind: PublicKeyKind): boolean {
  switch (family) {
    case 'ecdsa':
      return kind === 'ec-p256' || kind === 'ec-p384' || kind === 'ec-p521'
    case 'rsa':
    case 'rsa-pss':
      return kind === 'rsa'
    case 'ed25519':
      return kind === 'ed25519'
    default:
      return family satisfies never
  }
}

function refused(message: string): X509Error {
  return new X509Error('ERR_SIGNATURE_REFUSED', message)
}
