import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto'
import { type Certificate, parsePublicKey, X509Error } from '../x509/index.ts'
import { BundleError } from './bundle-error.ts'
import type { JsonObject, JsonValue } from './strict-json.ts'

/** One entry of a JWK set as it is printed; members in the order in which SPIRE prints them. */
export interface PrintedJwk {
  readonly use?: string
  readonly kid?: string
  readonly publicKey: KeyObject
  readonly certificate?: Certificate
}

const curves: ReadonlySet<string> = new Set(['P-256', 'P-384', 'P-521'])
const base64url = /^[\w-]+$/

/**
 * Imports the public key of a JWK [RFC 7517]. Private members are not looked at.
 *
 * @returns undefined for a key of a type, curve or size that SVIDs are not signed with: such entries are ignored
 *   [SPIFFE Trust Domain and Bundle 4.2.1], and a symmetric key can never become an authority
 * @throws {BundleError} `ERR_BUNDLE_MALFORMED` for a key of a known type that is not valid
 */
export function findJwkPublicKey(jwk: JsonObject, what: string): KeyObject | undefined {
  const key = selectMembers(jwk, what)
  if (!key) return undefined
  let imported: KeyObject
  try {
    imported = createPublicKey({ key, format: 'jwk' })
  } catch (error) {
    throw new BundleError('ERR_BUNDLE_MALFORMED', `${what}: not a valid public key`, {
      cause: error,
    })
  }
  return isUsable(imported) ? imported : undefined
}

function selectMembers(jwk: JsonObject, what: string): JsonWebKey | undefined {
  const number = (name: string): string => {
    const value = jwk[name]
    if (typeof value !== 'string' || !base64url.test(value))
      throw new BundleError('ERR_BUNDLE_MALFORMED', `${what}: member ${name} is not valid`)
    return value
  }
  const { kty, crv } = jwk
  if (kty === 'RSA') return { kty, n: number('n'), e: number('e') }
  if (kty === 'EC' && typeof crv === 'string' && curves.has(crv))
    return { kty, crv, x: number('x'), y: number('y') }
  return undefined
}

function isUsable(key: KeyObject): boolean {
  try {
    parsePublicKey(key.export({ type: 'spki', format: 'der' }))
    return true
  } catch (error) {
    if (error instanceof X509Error && error.code === 'ERR_PUBLIC_KEY_REFUSED') return false
    throw error
  }
}

/** Prints a JWK set byte for byte as SPIRE does: four spaces, its order of members, Go's escapes. */
export function printJwkSet(
  keys: readonly PrintedJwk[],
  tail: { readonly sequenceNumber?: bigint; readonly refreshHintSeconds?: number } = {},
): string {
  const members = [`    "keys": ${printKeys(keys)}`]
  if (tail.sequenceNumber) members.push(`    "spiffe_sequence": ${tail.sequenceNumber}`)
  if (tail.refreshHintSeconds) members.push(`    "spiffe_refresh_hint": ${tail.refreshHintSeconds}`)
  return `{\n${members.join(',\n')}\n}`
}

function printKeys(keys: readonly PrintedJwk[]): string {
  const text = JSON.stringify(keys.map(jwkMembers), undefined, 4)
  return text.replaceAll('\n', '\n    ').replaceAll(/[<>&\u2028\u2029]/g, escapeAsGo)
}

function jwkMembers({ use, kid, publicKey, certificate }: PrintedJwk): Record<string, JsonValue> {
  const { kty, crv, x, y, n, e } = publicKey.export({ format: 'jwk' })
  const x5c = certificate && [Buffer.from(certificate.raw).toString('base64')]
  const members = Object.entries({ use, kty, kid, crv, x, y, n, e, x5c })
  return Object.fromEntries(
    members.filter((member): member is [string, string] => member[1] !== undefined),
  )
}

function escapeAsGo(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}
