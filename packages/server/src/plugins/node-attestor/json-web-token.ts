import { constants, type KeyObject, verify } from 'node:crypto'
import { listIn, stringIn } from '@mini-spire/runtime/json-fields'

/** Signature algorithms of the tokens that clouds issue. */
export type TokenAlgorithm =
  | 'RS256'
  | 'RS384'
  | 'RS512'
  | 'ES256'
  | 'ES384'
  | 'ES512'
  | 'PS256'
  | 'PS384'
  | 'PS512'

/** All of them. */
export const tokenAlgorithms: readonly TokenAlgorithm[] = [
  ...(['RS256', 'RS384', 'RS512'] as const),
  ...(['ES256', 'ES384', 'ES512'] as const),
  ...(['PS256', 'PS384', 'PS512'] as const),
]

/** Longest token that is read, in bytes. */
const maxTokenBytes = 64 * 1024
const curves: ReadonlyMap<string, string> = new Map([
  ['256', 'prime256v1'],
  ['384', 'secp384r1'],
  ['512', 'secp521r1'],
])

/** A token taken apart. Nothing of it is trusted before {@link JsonWebToken.isSignedBy} has said so. */
export class JsonWebToken {
  readonly algorithm: TokenAlgorithm
  /** Empty when the token names no key. */
  readonly keyId: string
  readonly #signed: Buffer
  readonly #claims: Buffer
  readonly #signature: Buffer

  private constructor(
    header: { readonly algorithm: TokenAlgorithm; readonly keyId: string },
    parts: { readonly signed: Buffer; readonly claims: Buffer; readonly signature: Buffer },
  ) {
    this.algorithm = header.algorithm
    this.keyId = header.keyId
    this.#signed = parts.signed
    this.#claims = parts.claims
    this.#signature = parts.signature
  }

  /**
   * Reads a compact JWS of at most 64 KiB, in the one form that base64url has for its bytes.
   *
   * @throws {Error} whose text repeats nothing of the token
   */
  static parse(bytes: Uint8Array, allowed: readonly TokenAlgorithm[]): JsonWebToken {
    if (bytes.length > maxTokenBytes) throw new Error('token is too long')
    const text = Buffer.from(bytes).toString('latin1')
    const parts = text.split('.', 4)
    const [header, claims, signature] = parts
    if (parts.length !== 3 || header === undefined || !claims || signature === undefined) {
      throw new Error('compact JWS format must have three parts')
    }
    return new JsonWebToken(readHeader(parseObject(decode(header)), allowed), {
      signed: Buffer.from(`${header}.${claims}`, 'latin1'),
      claims: decode(claims),
      signature: decode(signature),
    })
  }

  /** Whether the signature is this key's; false also for a key of another family or curve. */
  isSignedBy(key: KeyObject): boolean {
    const family = this.algorithm.slice(0, 2)
    const bits = this.algorithm.slice(2)
    const hash = `sha${bits}`
    if (key.type !== 'public') return false
    if (family === 'ES') {
      const isCurve = key.asymmetricKeyDetails?.namedCurve === curves.get(bits)
      if (key.asymmetricKeyType !== 'ec' || !isCurve) return false
      return verify(hash, this.#signed, { key, dsaEncoding: 'ieee-p1363' }, this.#signature)
    }
    if (key.asymmetricKeyType !== 'rsa') return false
    if (family === 'RS') return verify(hash, this.#signed, key, this.#signature)
    const padding = constants.RSA_PKCS1_PSS_PADDING
    const saltLength = constants.RSA_PSS_SALTLEN_DIGEST
    return verify(hash, this.#signed, { key, padding, saltLength }, this.#signature)
  }

  /**
   * What the token says: for a caller who has checked its signature.
   *
   * @throws {Error} when it is no JSON object
   */
  claims(): object {
    return parseObject(this.#claims)
  }
}

/** What {@link checkClaims} expects. */
export interface ExpectedClaims {
  readonly audience: string
  readonly now: Date
  /** How far the clocks of two machines may be apart. */
  readonly leewayMs: number
}

/**
 * Checks audience and times. A token that never expires is refused: no cloud issues one.
 *
 * @throws {Error} in the words of go-jose, which SPIRE's users see
 */
export function checkClaims(claims: object, { audience, now, leewayMs }: ExpectedClaims): void {
  const named = [stringIn(claims, 'aud'), ...listIn(claims, 'aud')]
  if (!named.includes(audience)) throw invalid('invalid audience claim (aud)')
  const nowSeconds = now.getTime() / 1000
  const leeway = leewayMs / 1000
  const notBefore = timeIn(claims, 'nbf')
  if (notBefore !== undefined && nowSeconds + leeway < notBefore) {
    throw invalid('token not valid yet (nbf)')
  }
  const expiry = timeIn(claims, 'exp')
  if (expiry === undefined || nowSeconds - leeway > expiry) throw invalid('token is expired (exp)')
  const issued = timeIn(claims, 'iat')
  if (issued !== undefined && nowSeconds + leeway < issued) {
    throw invalid('token issued in the future (iat)')
  }
}

function invalid(what: string): Error {
  return new Error(`go-jose/go-jose/jwt: validation failed, ${what}`)
}

function timeIn(claims: object, name: string): number | undefined {
  const value: unknown = Object.hasOwn(claims, name) ? Reflect.get(claims, name) : undefined
  if (value === undefined || value === null) return undefined
  if (typeof value === 'number') return Math.trunc(value)
  throw invalid(`claim ${name} is not a time`)
}

function readHeader(
  header: object,
  allowed: readonly TokenAlgorithm[],
): { readonly algorithm: TokenAlgorithm; readonly keyId: string } {
  const name = stringIn(header, 'alg')
  const algorithm = allowed.find((one) => one === name)
  if (!algorithm) throw new Error(`unexpected signature algorithm; expected [${allowed.join(' ')}]`)
  // What would change how the token is read, and is not understood here, is refused [RFC 7515 4.1.11, RFC 7797].
  if (['crit', 'b64', 'zip'].some((one) => Object.hasOwn(header, one))) {
    throw new Error('unsupported critical header')
  }
  return { algorithm, keyId: stringIn(header, 'kid') }
}

function parseObject(bytes: Buffer): object {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    // The parser's own text quotes what it read.
    throw new Error('a part is not JSON')
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  throw new Error('a part is not a JSON object')
}

function decode(part: string): Buffer {
  const bytes = Buffer.from(part, 'base64url')
  if (bytes.toString('base64url') === part) return bytes
  throw new Error('a part is not base64url')
}
