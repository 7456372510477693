import {
  constants,
  createHmac,
  createPublicKey,
  generateKeyPairSync,
  type JsonWebKey,
  type KeyObject,
  sign,
} from 'node:crypto'

const usualRsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey

/** An issuer of tokens that can make any token, good or bad. It knows no time: `now` is Unix seconds. */
export class TokenMint {
  readonly url: string
  readonly rsa: KeyObject
  readonly ec: KeyObject = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  readonly p384: KeyObject = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey
  #serial = 0

  /** @param rsa one key for all mints of the process by default: making one takes a tenth of a second */
  constructor(url: string, rsa: KeyObject = usualRsa) {
    this.url = url
    this.rsa = rsa
  }

  /** Its JWK set, with other members in each key. */
  jwks(more: JsonWebKey = {}): string {
    const keys = [
      { ...publicJwk(this.rsa), kid: 'rsa', use: 'sig', ...more },
      { ...publicJwk(this.ec), kid: 'ec', alg: 'ES256', use: 'sig', ...more },
      { ...publicJwk(this.p384), kid: 'p384', ...more },
      { ...publicJwk(this.ec), kid: 'for-encryption', use: 'enc', ...more },
      { kty: 'oct', kid: 'symmetric', k: 'c2VjcmV0' },
    ]
    return JSON.stringify({ keys })
  }

  /** What a good token of this issuer says; each has another `jti`. */
  claims(now: number, change: object = {}): Readonly<Record<string, unknown>> {
    return {
      iss: this.url,
      aud: 'spiffe-exchange',
      sub: 'repo:octo/app:ref:refs/heads/main',
      repository: 'octo/app',
      ref: 'refs/heads/main',
      jti: `token-${++this.#serial}`,
      iat: now,
      nbf: now,
      exp: now + 600,
      ...change,
    }
  }

  /** A good token, but for what is changed. */
  token(now: number, change: object = {}, options: TokenOptions = {}): string {
    const { header = {}, key = this.rsa, algorithm = 'RS256' } = options
    const head = { alg: algorithm, kid: 'rsa', typ: 'JWT', ...header }
    const text = options.payload ?? JSON.stringify(this.claims(now, change))
    return signToken(options.head ?? JSON.stringify(head), text, algorithm, key)
  }
}

/** How a token differs from a good one beside its claims. */
export interface TokenOptions {
  readonly header?: object
  /** The whole header, in place of JSON that is made. */
  readonly head?: string
  /** The whole payload, in place of JSON that is made. */
  readonly payload?: string
  readonly key?: KeyObject
  /** Of the signature, and of the header unless that says otherwise. */
  readonly algorithm?: string
}

/** Signs anything as a compact JWS. */
export function signToken(
  header: string,
  payload: string,
  algorithm: string,
  key: KeyObject | string,
): string {
  const encode = (text: string): string => Buffer.from(text).toString('base64url')
  const signed = `${encode(header)}.${encode(payload)}`
  return `${signed}.${signatureOf(signed, algorithm, key).toString('base64url')}`
}

function signatureOf(signed: string, algorithm: string, key: KeyObject | string): Buffer {
  const hash = `sha${algorithm.slice(2)}`
  if (algorithm.startsWith('HS')) return createHmac(hash, key).update(signed).digest()
  const bytes = Buffer.from(signed)
  if (typeof key === 'string') return Buffer.alloc(0)
  if (algorithm.startsWith('ES')) return sign(hash, bytes, { key, dsaEncoding: 'ieee-p1363' })
  if (!algorithm.startsWith('PS')) return sign(hash, bytes, key)
  const saltLength = constants.RSA_PSS_SALTLEN_DIGEST
  return sign(hash, bytes, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength })
}

/** The public key as a JWK. */
export function publicJwk(key: KeyObject): JsonWebKey {
  return createPublicKey(key).export({ format: 'jwk' })
}

/** The public key in PEM: what somebody who confuses keys would take for a secret. */
export function publicPem(key: KeyObject): string {
  return createPublicKey(key).export({ type: 'spki', format: 'pem' }).toString()
}
