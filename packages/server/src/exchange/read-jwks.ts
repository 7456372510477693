import type { KeyObject } from 'node:crypto'
import {
  findJwkPublicKey,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  parseStrictJson,
} from '@mini-spire/sdk/bundle'
import { isSpiffeError, messageOf } from '@mini-spire/sdk/errors'

/** Signature algorithms that tokens may have. Nothing symmetric, and nothing without a signature. */
export type TokenAlgorithm =
  | 'RS256'
  | 'RS384'
  | 'RS512'
  | 'PS256'
  | 'PS384'
  | 'PS512'
  | 'ES256'
  | 'ES384'
  | 'ES512'

/** A key of an issuer, and what it may be used for. */
export interface IssuerKey {
  readonly key: KeyObject
  readonly algorithms: readonly TokenAlgorithm[]
}

/** The largest JWK set, in bytes. */
export const maxJwksBytes: number = 256 * 1024
const maxKeys = 100

const rsaAlgorithms: readonly TokenAlgorithm[] = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
]
const curveAlgorithms: ReadonlyMap<string | undefined, TokenAlgorithm> = new Map([
  ['prime256v1', 'ES256'],
  ['secp384r1', 'ES384'],
  ['secp521r1', 'ES512'],
])

/**
 * Reads an issuer's JWK set [RFC 7517 5]: keys by their ID. Left out is what cannot verify a token here: keys of other types and
 * sizes, for encryption, for other algorithms, without ID, and those that share one, since nobody could say which is meant.
 *
 * @throws {Error} for what is no JWK set, or holds a damaged key
 */
export function readJwks(text: string): ReadonlyMap<string, IssuerKey> {
  const { keys: listed } = parseStrictJson(text, { maxCharacters: maxJwksBytes })
  if (!Array.isArray(listed)) throw new Error('it has no keys')
  if (listed.length > maxKeys) throw new Error(`it has more than ${maxKeys} keys`)
  const keys = new Map<string, IssuerKey | undefined>()
  for (const jwk of listed as readonly JsonValue[]) {
    if (!isJsonObject(jwk)) throw new Error('a key is not an object')
    const { kid } = jwk
    if (typeof kid !== 'string' || kid === '') continue
    keys.set(kid, keys.has(kid) ? undefined : readKey(jwk))
  }
  return new Map([...keys].filter((pair): pair is [string, IssuerKey] => pair[1] !== undefined))
}

function readKey(jwk: JsonObject): IssuerKey | undefined {
  const { use, alg, key_ops: operations } = jwk
  if (use !== undefined && use !== 'sig') return undefined
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes('verify')))
    return undefined
  const key = importKey(jwk)
  if (!key) return undefined
  const algorithms = algorithmsOf(key).filter((one) => alg === undefined || one === alg)
  return algorithms.length === 0 ? undefined : { key, algorithms }
}

function importKey(jwk: JsonObject): KeyObject | undefined {
  try {
    return findJwkPublicKey(jwk, 'a key')
  } catch (error) {
    if (isSpiffeError(error)) throw new Error(messageOf(error), { cause: error })
    throw error
  }
}

function algorithmsOf(key: KeyObject): readonly TokenAlgorithm[] {
  if (key.asymmetricKeyType === 'rsa') return rsaAlgorithms
  const algorithm = curveAlgorithms.get(key.asymmetricKeyDetails?.namedCurve)
  return key.asymmetricKeyType === 'ec' && algorithm ? [algorithm] : []
}
