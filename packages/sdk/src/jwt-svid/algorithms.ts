import { constants, type KeyObject, verify } from 'node:crypto'

/** The signature algorithms that a JWT-SVID may have [JWT-SVID 2.1]. */
export type JwtSvidAlgorithm =
  | 'RS256'
  | 'RS384'
  | 'RS512'
  | 'ES256'
  | 'ES384'
  | 'ES512'
  | 'PS256'
  | 'PS384'
  | 'PS512'

interface Algorithm {
  readonly hash: string
  readonly family: 'rsa' | 'rsa-pss' | 'ecdsa'
  /** OpenSSL's name of the one curve. */
  readonly curve?: string
  /** Length of the signature, for ECDSA. */
  readonly bytes?: number
}

const algorithms: Readonly<Record<JwtSvidAlgorithm, Algorithm>> = {
  RS256: { hash: 'sha256', family: 'rsa' },
  RS384: { hash: 'sha384', family: 'rsa' },
  RS512: { hash: 'sha512', family: 'rsa' },
  PS256: { hash: 'sha256', family: 'rsa-pss' },
  PS384: { hash: 'sha384', family: 'rsa-pss' },
  PS512: { hash: 'sha512', family: 'rsa-pss' },
  ES256: { hash: 'sha256', family: 'ecdsa', curve: 'prime256v1', bytes: 64 },
  ES384: { hash: 'sha384', family: 'ecdsa', curve: 'secp384r1', bytes: 96 },
  ES512: { hash: 'sha512', family: 'ecdsa', curve: 'secp521r1', bytes: 132 },
}

/** Whether an `alg` header names an algorithm of the list. Names are case-sensitive. */
export function isJwtSvidAlgorithm(name: unknown): name is JwtSvidAlgorithm {
  return typeof name === 'string' && Object.hasOwn(algorithms, name)
}

/** Whether the signature is the key's, by this algorithm; false also when the key is of another family or curve. */
export function isSignedBy(
  key: KeyObject,
  algorithm: JwtSvidAlgorithm,
  signed: Buffer,
  signature: Buffer,
): boolean {
  const { hash, family, curve, bytes } = algorithms[algorithm]
  if (key.type !== 'public') return false
  if (family === 'ecdsa') {
    if (key.asymmetricKeyType !== 'ec' || key.asymmetricKeyDetails?.namedCurve !== curve)
      return false
    if (signature.length !== bytes) return false
    return verify(hash, signed, { key, dsaEncoding: 'ieee-p1363' }, signature)
  }
  if (key.asymmetricKeyType !== 'rsa') return false
  if (family === 'rsa') return verify(hash, signed, key, signature)
  const saltLength = constants.RSA_PSS_SALTLEN_DIGEST
  return verify(
    hash,
    signed,
    { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength },
    signature,
  )
}
