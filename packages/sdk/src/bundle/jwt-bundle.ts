import { createPublicKey, type KeyObject } from 'node:crypto'
import type { TrustDomain } from '../spiffe-id/index.ts'
import { BundleError } from './bundle-error.ts'
import type { JwtBundleSource } from './bundle-source.ts'
import { findJwkPublicKey, printJwkSet } from './jwk.ts'
import { isJsonObject, type JsonObject, parseStrictJson } from './strict-json.ts'

/** A key that JWT-SVIDs of a trust domain are signed with. */
export interface JwtAuthority {
  /** What a token's `kid` names it by. */
  readonly keyId: string
  readonly publicKey: KeyObject
}

/** Longest JWK set that is read, in characters. */
export const maxJwkSetCharacters: number = 4 * 1024 * 1024

/** The keys that JWT-SVIDs of one trust domain are checked with. A value: it never changes. */
export class JwtBundle implements JwtBundleSource {
  readonly trustDomain: TrustDomain
  readonly authorities: readonly JwtAuthority[]
  readonly #byKeyId: ReadonlyMap<string, KeyObject>

  /**
   * @throws {BundleError} `ERR_BUNDLE_MALFORMED` for a key without ID, or one ID that names two keys
   */
  constructor(trustDomain: TrustDomain, authorities: readonly JwtAuthority[]) {
    const byKeyId = new Map<string, KeyObject>()
    for (const { keyId, publicKey } of authorities) {
      if (keyId === '') throw malformed('keyID cannot be empty')
      const known = byKeyId.get(keyId)
      if (known && !known.equals(publicKey))
        throw malformed(`key ID ${quote(keyId)} names two keys`)
      byKeyId.set(keyId, publicKey)
    }
    this.trustDomain = trustDomain
    this.authorities = [...byKeyId].map(([keyId, publicKey]) => ({ keyId, publicKey }))
    this.#byKeyId = byKeyId
  }

  /**
   * Reads a JWK set, such as the Workload API's. Entries of another use or of an unknown key type are ignored; an empty set is a
   * bundle that trusts nothing.
   *
   * @throws {BundleError} `ERR_BUNDLE_MALFORMED`, `ERR_JSON_MALFORMED`
   */
  static parse(trustDomain: TrustDomain, text: string): JwtBundle {
    const authorities: JwtAuthority[] = []
    for (const [index, jwk] of jwksOf(
      parseStrictJson(text, { maxCharacters: maxJwkSetCharacters }),
    ).entries()) {
      if (jwk['use'] !== undefined && jwk['use'] !== 'jwt-svid' && jwk['use'] !== 'sig') continue
      const authority = findJwtAuthority(jwk, `authority ${index} of JWKS`)
      if (authority) authorities.push(authority)
    }
    return new JwtBundle(trustDomain, authorities)
  }

  /** The key with this ID, or undefined. */
  findAuthority(keyId: string): KeyObject | undefined {
    return this.#byKeyId.get(keyId)
  }

  /** The JWK set as the Workload API carries it: no `use`, no SPIFFE members. */
  marshal(): string {
    return printJwkSet(this.authorities.map(({ keyId, publicKey }) => ({ kid: keyId, publicKey })))
  }

  /** This bundle, if it is the trust domain's: a bundle by itself is a source of one. */
  findJwtBundle(trustDomain: TrustDomain): JwtBundle | undefined {
    return this.trustDomain.equals(trustDomain) ? this : undefined
  }

  /** Whether the other has the same keys under the same IDs, in whatever order. */
  equals(other: JwtBundle): boolean {
    return (
      this.trustDomain.equals(other.trustDomain) &&
      this.authorities.length === other.authorities.length &&
      this.authorities.every(
        ({ keyId, publicKey }) => other.findAuthority(keyId)?.equals(publicKey) ?? false,
      )
    )
  }
}

/**
 * An authority from its SubjectPublicKeyInfo, DER, as SPIRE's APIs carry it.
 *
 * @throws {BundleError} `ERR_BUNDLE_MALFORMED`
 */
export function jwtAuthorityFromSpki(keyId: string, spki: Uint8Array): JwtAuthority {
  try {
    const key = Buffer.from(spki)
    return { keyId, publicKey: createPublicKey({ key, format: 'der', type: 'spki' }) }
  } catch (error) {
    throw new BundleError('ERR_BUNDLE_MALFORMED', `JWT authority ${quote(keyId)} is not a key`, {
      cause: error,
    })
  }
}

/** The entries of a JWK set; every one must be an object. */
export function jwksOf(document: JsonObject): readonly JsonObject[] {
  const { keys } = document
  if (!Array.isArray(keys)) throw malformed('no authorities found')
  return keys.map((key, index) => {
    if (!isJsonObject(key)) throw malformed(`authority ${index} of JWKS is not an object`)
    return key
  })
}

/** The JWT authority of an entry; undefined for a key type, curve or size that is ignored. */
export function findJwtAuthority(jwk: JsonObject, what: string): JwtAuthority | undefined {
  const publicKey = findJwkPublicKey(jwk, what)
  if (!publicKey) return undefined
  const keyId = jwk['kid']
  if (typeof keyId !== 'string' || keyId === '')
    throw malformed(`error adding ${what}: keyID cannot be empty`)
  return { keyId, publicKey }
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 256))
}

function malformed(message: string): BundleError {
  return new BundleError('ERR_BUNDLE_MALFORMED', message)
}
