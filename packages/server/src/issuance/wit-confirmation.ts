import type { JsonWebKey } from 'node:crypto'
import { type PublicKey, parsePublicKey } from '@mini-spire/sdk/x509'
import { IssuanceError } from './issuance-error.ts'

/** The workload's key as a WIT-SVID names it (`cnf.jwk`), members in the order in which they are written. */
export type WitConfirmation = Readonly<Record<string, string>>

const rsaAlgorithms: readonly string[] = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']
const algorithms: Readonly<Record<PublicKey['kind'], readonly string[]>> = {
  rsa: rsaAlgorithms,
  'ec-p256': ['ES256'],
  'ec-p384': ['ES384'],
  'ec-p521': ['ES512'],
  ed25519: [],
}

/** A workload's public key, read. */
export interface WitKey {
  readonly kind: PublicKey['kind']
  readonly jwk: JsonWebKey
}

/**
 * Reads a workload's public key, and imports it: a point that is not on its curve is no key.
 *
 * @param spki SubjectPublicKeyInfo, DER
 * @throws {X509Error}
 */
export function readWitKey(spki: Uint8Array): WitKey {
  const key = parsePublicKey(spki)
  return { kind: key.kind, jwk: key.toKeyObject().export({ format: 'jwk' }) }
}

/**
 * The confirmation of a key with the algorithm that its holder will sign with [WIT-SVID 3.4].
 *
 * @throws {IssuanceError} `ERR_WIT_ALGORITHM_REFUSED`
 */
export function witConfirmation({ kind, jwk }: WitKey, algorithm: string): WitConfirmation {
  if (kind === 'ed25519') throw refused("unsupported key type 'ed25519.PublicKey'")
  if (!algorithms[kind].includes(algorithm)) {
    const name = kind === 'rsa' ? 'RSA' : kind
    throw refused(`unsupported signing algorithm for ${name} key: ${algorithm}`)
  }
  const { kty = '', crv = '', x = '', y = '', n = '', e = '' } = jwk
  return kind === 'rsa' ? { kty, alg: algorithm, n, e } : { kty, crv, alg: algorithm, x, y }
}

function refused(message: string): IssuanceError {
  return new IssuanceError('ERR_WIT_ALGORITHM_REFUSED', message)
}
