import { constants, type KeyObject, randomBytes, verify } from 'node:crypto'
import type { GoJsonObject } from '../go-json.ts'

const nonceBytes = 32

/** Bytes of r and of s by the curve's name in OpenSSL. */
const scalarBytes: ReadonlyMap<string, number> = new Map([
  ['secp224r1', 28],
  ['prime256v1', 32],
  ['secp384r1', 48],
  ['secp521r1', 66],
])

/** A question that only the holder of a certificate's private key can answer. */
export interface Challenge {
  readonly kind: 'rsa' | 'ecdsa'
  readonly nonce: Uint8Array
}

/**
 * Makes a fresh challenge for a key.
 *
 * @throws {Error} for a kind of key that nobody can be challenged with
 */
export function generateChallenge(publicKey: KeyObject): Challenge {
  return { kind: keyKind(publicKey), nonce: randomBytes(nonceBytes) }
}

function keyKind(publicKey: KeyObject): Challenge['kind'] {
  switch (publicKey.asymmetricKeyType) {
    case 'rsa':
      return 'rsa'
    case 'ec':
      return 'ecdsa'
    case 'ed25519':
      throw new Error('unsupported public key type ed25519.PublicKey')
    default:
      throw new Error(`unsupported public key type ${publicKey.asymmetricKeyType}`)
  }
}

/** The challenge as the agent gets it. */
export function encodeChallenge({ kind, nonce }: Challenge): Uint8Array {
  const own = { nonce: Buffer.from(nonce).toString('base64') }
  const fields = {
    rsa_signature: kind === 'rsa' ? own : null,
    ecdsa_signature: kind === 'ecdsa' ? own : null,
  }
  return new TextEncoder().encode(JSON.stringify(fields))
}

/**
 * Checks an answer: a signature over both nonces, by the key that was asked.
 *
 * @throws {Error} saying what is wrong with it
 */
export function checkAnswer(
  publicKey: KeyObject,
  challenge: Challenge,
  answer: GoJsonObject,
): void {
  const name = challenge.kind === 'rsa' ? 'RSA' : 'ECDSA'
  const own = answer.object(`${challenge.kind}_signature`)
  if (!own) throw new Error(`expecting ${name} response`)
  const nonce = own.bytes('nonce')
  if (nonce.length !== nonceBytes) throw new Error('invalid response nonce')
  const signed = Buffer.concat([challenge.nonce, nonce])
  const isValid =
    challenge.kind === 'rsa'
      ? isRsaSignature(publicKey, signed, own.bytes('signature'))
      : isEcdsaSignature(publicKey, signed, own.bytes('r'), own.bytes('s'))
  if (!isValid) throw new Error(`${name} signature verify failed`)
}

function isRsaSignature(key: KeyObject, signed: Uint8Array, signature: Uint8Array): boolean {
  const padding = constants.RSA_PKCS1_PSS_PADDING
  const saltLength = constants.RSA_PSS_SALTLEN_AUTO
  return verify('sha256', signed, { key, padding, saltLength }, signature)
}

function isEcdsaSignature(
  key: KeyObject,
  signed: Uint8Array,
  r: Uint8Array,
  s: Uint8Array,
): boolean {
  const size = scalarBytes.get(key.asymmetricKeyDetails?.namedCurve ?? '')
  if (size === undefined) return false
  const signature = Buffer.alloc(size * 2)
  for (const [end, scalar] of [[size, r] as const, [size * 2, s] as const]) {
    const significant = scalar.subarray(
      Math.max(
        0,
        scalar.findIndex((byte) => byte !== 0),
      ),
    )
    if (significant.length > size) return false
    signature.set(significant, end - significant.length)
  }
  return verify('sha256', signed, { key, dsaEncoding: 'ieee-p1363' }, signature)
}
