import type {
  KeyType,
  SignatureHash,
  SigningKey,
} from '@mini-spire/runtime/key-manager/key-manager'

/** A JWT or WIT authority that can sign. */
export interface JwtKey {
  readonly keyId: string
  readonly notAfterSeconds: number
  readonly key: SigningKey
  readonly hash: SignatureHash
  /** The encoded header of every token it signs, with the dot after it. */
  readonly header: string
}

const keyIdAlphabet = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'
/** Length of a JWT authority's `kid`. */
export const keyIdLength = 32

/** A `kid` from random octets: one character of a-zA-Z0-9 for each. */
export function keyIdFromBytes(random: Uint8Array): string {
  return Array.from(random, (octet) => keyIdAlphabet[octet % keyIdAlphabet.length]).join('')
}

/** What a {@link JwtKey} is made of. */
export interface JwtKeyParts {
  readonly keyId: string
  readonly notAfterSeconds: number
  readonly key: SigningKey
  /** `typ` of the tokens. @default JWT */
  readonly tokenType?: 'JWT' | 'wit+jwt'
}

/** Makes a JWT authority ready to sign: the header is encoded once, here. */
export function makeJwtKey(parts: JwtKeyParts): JwtKey {
  const { keyId, notAfterSeconds, key, tokenType = 'JWT' } = parts
  const { name, hash } = joseAlgorithmOf(key.type)
  const header = JSON.stringify({ alg: name, kid: keyId, typ: tokenType })
  return { keyId, notAfterSeconds, key, hash, header: `${base64Url(header)}.` }
}

/** The JOSE algorithm of a key type. */
export function joseAlgorithmOf(type: KeyType): {
  readonly name: 'RS256' | 'ES256' | 'ES384'
  readonly hash: SignatureHash
} {
  switch (type) {
    case 'rsa-2048':
    case 'rsa-4096':
      return { name: 'RS256', hash: 'sha256' }
    case 'ec-p256':
      return { name: 'ES256', hash: 'sha256' }
    case 'ec-p384':
      return { name: 'ES384', hash: 'sha384' }
    default:
      return type satisfies never
  }
}

/** Text in base64url without padding. */
export function base64Url(text: string): string {
  return Buffer.from(text).toString('base64url')
}
