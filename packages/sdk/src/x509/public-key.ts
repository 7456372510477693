import { createPublicKey, hash, type KeyObject } from 'node:crypto'
import { DerCursor } from './der-reader.ts'
import { derOid, derSequence, derTag } from './der-writer.ts'
import { X509Error } from './x509-error.ts'

/** Kinds of public keys that certificates are issued for. */
export type PublicKeyKind = 'ec-p256' | 'ec-p384' | 'ec-p521' | 'rsa' | 'ed25519'

/** Shortest and longest RSA modulus a certificate is issued for: shorter is unsafe, longer is a cost the others pay. */
export const rsaModulusBits: { readonly min: number; readonly max: number } = {
  min: 2048,
  max: 8192,
}

/** A public key that passed the checks: kind, its encodings, and how to verify with it. */
export interface PublicKey {
  readonly kind: PublicKeyKind
  /** SubjectPublicKeyInfo, DER; exactly the one canonical encoding of this key. */
  readonly spki: Uint8Array
  /** Content of the BIT STRING: what key identifiers are a hash of. */
  readonly bits: Uint8Array
  /** Imports the key. Not cached: a key of a signing request is used once. */
  toKeyObject(): KeyObject
}

interface Curve {
  readonly kind: 'ec-p256' | 'ec-p384' | 'ec-p521'
  readonly crv: 'P-256' | 'P-384' | 'P-521'
  readonly fieldBytes: number
  readonly algorithm: Buffer
}

const ecPublicKey = derOid('1.2.840.10045.2.1')
const curves: readonly Curve[] = [
  curve('ec-p256', 'P-256', 32, '1.2.840.10045.3.1.7'),
  curve('ec-p384', 'P-384', 48, '1.3.132.0.34'),
  curve('ec-p521', 'P-521', 66, '1.3.132.0.35'),
]
const rsaAlgorithm = derSequence(derOid('1.2.840.113549.1.1.1'), Buffer.of(derTag.null, 0))
const ed25519Algorithm = derSequence(derOid('1.3.101.112'))

function curve(kind: Curve['kind'], crv: Curve['crv'], fieldBytes: number, oid: string): Curve {
  return { kind, crv, fieldBytes, algorithm: derSequence(ecPublicKey, derOid(oid)) }
}

/**
 * Checks a SubjectPublicKeyInfo: EC P-256, P-384 or P-521 (uncompressed point), RSA of 2048 to 8192 bits with a safe
 * exponent, or Ed25519, each in its one canonical encoding. Cheap: a point is checked to be on its curve only when the key
 * is imported.
 *
 * @throws {X509Error} `ERR_PUBLIC_KEY_REFUSED` for a key of another kind or size, `ERR_PUBLIC_KEY_MALFORMED`
 */
export function parsePublicKey(spki: Uint8Array): PublicKey {
  const outer = DerCursor.over(spki)
  const fields = outer.enter(derTag.sequence)
  outer.finish()
  const algorithm = fields.raw(fields.take(derTag.sequence))
  const bitString = fields.content(fields.take(derTag.bitString))
  fields.finish()
  if (bitString[0] !== 0) throw malformed('x509: public key is not whole octets')
  const bits = bitString.subarray(1)
  const known = curves.find((one) => one.algorithm.equals(algorithm))
  if (known) return ecKey(known, spki, bits)
  if (algorithm.equals(rsaAlgorithm)) return rsaKey(spki, bits)
  if (algorithm.equals(ed25519Algorithm)) return ed25519Key(spki, bits)
  throw refused('x509: unsupported public key algorithm or curve')
}

function ecKey({ kind, crv, fieldBytes }: Curve, spki: Uint8Array, bits: Buffer): PublicKey {
  if (bits.length !== 1 + 2 * fieldBytes || bits[0] !== 4)
    throw malformed('x509: failed to unmarshal elliptic curve point')
  // Importing as JWK costs two thirds of importing as SubjectPublicKeyInfo on Node 20.
  const toKeyObject = (): KeyObject => {
    const x = bits.toString('base64url', 1, 1 + fieldBytes)
    const y = bits.toString('base64url', 1 + fieldBytes)
    return importKey(() => createPublicKey({ key: { kty: 'EC', crv, x, y }, format: 'jwk' }))
  }
  return { kind, spki, bits, toKeyObject }
}

function rsaKey(spki: Uint8Array, bits: Buffer): PublicKey {
  const outer = DerCursor.over(bits)
  const fields = outer.enter(derTag.sequence)
  outer.finish()
  const modulus = positive(fields.content(fields.take(derTag.integer)))
  const exponent = positive(fields.content(fields.take(derTag.integer)))
  fields.finish()
  const size = modulus.length * 8 - Math.clz32(modulus[0] ?? 0) + 24
  if (size < rsaModulusBits.min || size > rsaModulusBits.max)
    throw refused(
      `x509: RSA key of ${size} bits, ${rsaModulusBits.min} to ${rsaModulusBits.max} are allowed`,
    )
  const isOdd = ((exponent.at(-1) ?? 0) & 1) === 1
  if (exponent.length > 4 || !isOdd || exponent.readUIntBE(0, exponent.length) < 3)
    throw refused('x509: RSA public exponent is not an odd number from 3 to 4294967295')
  const toKeyObject = (): KeyObject => importKey(() => importSpki(spki))
  return { kind: 'rsa', spki, bits, toKeyObject }
}

function ed25519Key(spki: Uint8Array, bits: Buffer): PublicKey {
  if (bits.length !== 32) throw malformed('x509: wrong Ed25519 public key size')
  return { kind: 'ed25519', spki, bits, toKeyObject: () => importKey(() => importSpki(spki)) }
}

function positive(content: Buffer): Buffer {
  const [first, second = 0] = content
  if (first === undefined || first >= 0x80 || (first === 0 && content.length === 1))
    throw malformed('x509: RSA number is not positive')
  if (first !== 0) return content
  if (second < 0x80) throw malformed('x509: RSA number is not minimally encoded')
  return content.subarray(1)
}

function importSpki(spki: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' })
}

function importKey(load: () => KeyObject): KeyObject {
  try {
    return load()
  } catch (error) {
    throw new X509Error('ERR_PUBLIC_KEY_MALFORMED', 'x509: public key is not valid', {
      cause: error,
    })
  }
}

/** The key identifier of a public key: SHA-1 over the BIT STRING's content [RFC 5280 4.2.1.2, method 1]. */
export function keyIdentifier(publicKey: Pick<PublicKey, 'bits'>): Buffer {
  return hash('sha1', publicKey.bits, 'buffer')
}

function malformed(message: string): X509Error {
  return new X509Error('ERR_PUBLIC_KEY_MALFORMED', message)
}

function refused(message: string): X509Error {
  return new X509Error('ERR_PUBLIC_KEY_REFUSED', message)
}
