import { createPublicKey } from 'node:crypto'
import { messageOf } from '@mini-spire/sdk/errors'
import { type Certificate, parseCertificate } from '@mini-spire/sdk/x509'

/** An entry of a JWK set, as it was written. */
export type Jwk = Readonly<Record<string, unknown>>

const coordinateBytes: Readonly<Record<string, number>> = { 'P-256': 32, 'P-384': 48, 'P-521': 66 }
const strings = ['use', 'kty', 'kid', 'crv', 'alg', 'k', 'x', 'y', 'n', 'e'] as const

/**
 * What go-jose finds wrong with an entry of a JWK set, whatever it is for; undefined when nothing is.
 *
 * The standard has readers pass over entries that they do not understand [SPIFFE Trust Domain and Bundle 4.2.1]. An operator who
 * hands in a file is told of them instead, as by SPIRE: a bundle without them would be stored as if it were whole.
 */
export function jwkProblem(jwk: unknown): string | undefined {
  if (jwk === null) return 'go-jose/go-jose: missing json web key type'
  if (typeof jwk !== 'object' || Array.isArray(jwk)) return wrongType(jwk, 'jose.rawJSONWebKey')
  const entry = jwk as Jwk
  const odd = strings.find((name) => !isText(entry[name]))
  if (odd !== undefined) return wrongType(entry[odd], 'string')
  const x5c = entry['x5c'] ?? []
  if (!Array.isArray(x5c)) return wrongType(x5c, '[]string')
  try {
    return keyProblem(entry, x5c.map(readCertificate)[0])
  } catch (error) {
    return `go-jose/go-jose: failed to unmarshal x5c field: ${messageOf(error)}`
  }
}

function keyProblem(jwk: Jwk, certificate: Certificate | undefined): string | undefined {
  const fail = (text: string): string => `go-jose/go-jose: ${text}`
  switch (jwk['kty'] ?? '') {
    case 'EC': {
      const problem = pointProblem(jwk)
      if (problem !== undefined) return fail(problem)
      break
    }
    case 'RSA':
      if (!jwk['n'] || !jwk['e']) return fail('invalid RSA key, missing n/e values')
      break
    case 'oct':
      return certificate && fail("invalid JWK, found 'oct' (symmetric) key with cert chain")
    case 'OKP':
      return jwk['crv'] === 'Ed25519' ? undefined : fail('unsupported key type/format')
    case '':
      return fail('missing json web key type')
    default:
      return fail('unsupported key type/format')
  }
  return certificate && !isKeyOf(certificate, jwk)
    ? fail('invalid JWK, public keys in key and x5c fields do not match')
    : undefined
}

function pointProblem(jwk: Jwk): string | undefined {
  const crv = String(jwk['crv'] ?? '')
  const length = coordinateBytes[crv]
  if (length === undefined) return `unsupported elliptic curve '${crv}'`
  if (typeof jwk['x'] !== 'string' || typeof jwk['y'] !== 'string')
    return 'invalid EC key, missing x/y values'
  if (Buffer.from(jwk['x'], 'base64url').length !== length)
    return 'invalid EC public key, wrong length for x'
  if (Buffer.from(jwk['y'], 'base64url').length !== length)
    return 'invalid EC public key, wrong length for y'
  return findKey(jwk) ? undefined : 'invalid EC key, X/Y are not on declared curve'
}

function isKeyOf(certificate: Certificate, jwk: Jwk): boolean {
  return findKey(jwk)?.equals(certificate.publicKey) ?? false
}

function findKey({ kty, crv, x, y, n, e }: Jwk): ReturnType<typeof createPublicKey> | undefined {
  const key = (kty === 'EC' ? { kty, crv, x, y } : { kty, n, e }) as { [name: string]: string }
  try {
    return createPublicKey({ key, format: 'jwk' })
  } catch {
    return undefined
  }
}

function readCertificate(text: unknown): Certificate {
  const der = Buffer.from(String(text), 'base64')
  if (der.toString('base64') !== text) throw new Error('illegal base64 data')
  return parseCertificate(der)
}

function isText(value: unknown): boolean {
  return value === undefined || value === null || typeof value === 'string'
}

function wrongType(value: unknown, type: string): string {
  const names: Readonly<Record<string, string>> = { boolean: 'bool', number: 'number' }
  const found = Array.isArray(value) ? 'array' : (names[typeof value] ?? typeof value)
  return `json: cannot unmarshal ${found} into Go value of type ${type}`
}
