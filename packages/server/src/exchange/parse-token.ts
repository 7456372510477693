import { type JsonObject, parseStrictJson } from '@mini-spire/sdk/bundle'
import { isSpiffeError } from '@mini-spire/sdk/errors'
import { ExchangeError } from './exchange-error.ts'
import type { TokenAlgorithm } from './read-jwks.ts'

/** Longest token that is read, in characters. */
export const maxTokenCharacters: number = 16 * 1024

const algorithms: ReadonlySet<unknown> = new Set<TokenAlgorithm>([
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
])
/** What would change how the token is read, or where its key comes from. */
const refusedHeaders = ['crit', 'b64', 'zip', 'jwk', 'jku', 'x5u', 'x5c', 'enc']
const types: ReadonlySet<unknown> = new Set([undefined, 'JWT', 'jwt'])

/** What has to be known of a token before it can be verified. Nothing of it is trusted. */
export interface UnverifiedToken {
  readonly algorithm: TokenAlgorithm
  readonly keyId: string
  /** `iss`, the issuer whose key is to be tried. */
  readonly issuerUrl: string
  /** What the signature is over. A signature may have several forms, this has one. */
  readonly signedText: string
}

/**
 * Takes a token apart: a compact JWS of three parts, each in the one form that base64url has for its bytes, with a header that says
 * nothing but how it is signed and by which key.
 *
 * @throws {ExchangeError} `ERR_EXCHANGE_TOKEN_MALFORMED`
 */
export function parseUnverified(token: string): UnverifiedToken {
  if (token.length > maxTokenCharacters) throw malformed('the token is too long')
  // Two dots and no more are looked for: a token of a thousand dots costs no list.
  const first = token.indexOf('.')
  const second = token.indexOf('.', first + 1)
  if (first < 0 || second < 0 || token.includes('.', second + 1))
    throw malformed('the token has not three parts')
  decode(token.slice(second + 1))
  const header = parsePart(decode(token.slice(0, first)))
  const { iss } = parsePart(decode(token.slice(first + 1, second)))
  if (typeof iss !== 'string') throw malformed('the token does not say who issued it')
  return { ...readHeader(header), issuerUrl: iss, signedText: token.slice(0, second) }
}

/**
 * Reads the bytes of a part as a JSON object in which no name comes twice.
 *
 * @throws {ExchangeError} `ERR_EXCHANGE_TOKEN_MALFORMED`
 */
export function parsePart(bytes: Uint8Array): JsonObject {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    return parseStrictJson(text, { maxCharacters: maxTokenCharacters })
  } catch (error) {
    if (!isSpiffeError(error)) throw malformed('a part of the token is not UTF-8')
    throw malformed('a part of the token is not a JSON object with distinct names')
  }
}

function readHeader(header: JsonObject): Pick<UnverifiedToken, 'algorithm' | 'keyId'> {
  const { alg, kid, typ } = header
  if (!algorithms.has(alg)) throw malformed('the token has a signature algorithm that is not taken')
  const refused = refusedHeaders.find((name) => header[name] !== undefined)
  if (refused) throw malformed(`the token has the header ${refused}, which is not taken`)
  if (!types.has(typ)) throw malformed('the token is of another type than JWT')
  if (typeof kid !== 'string' || kid === '') throw malformed('the token does not name its key')
  return { algorithm: alg as TokenAlgorithm, keyId: kid }
}

function decode(part: string): Uint8Array {
  const bytes = Buffer.from(part, 'base64url')
  if (part !== '' && bytes.toString('base64url') === part) return bytes
  throw malformed('a part of the token is not base64url')
}

function malformed(message: string): ExchangeError {
  return new ExchangeError('ERR_EXCHANGE_TOKEN_MALFORMED', message)
}
