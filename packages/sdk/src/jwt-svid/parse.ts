import { parseStrictJson } from '../bundle/strict-json.ts'
import { isSpiffeError, messageOf } from '../errors.ts'
import { SpiffeId } from '../spiffe-id/index.ts'
import { isJwtSvidAlgorithm, type JwtSvidAlgorithm } from './algorithms.ts'
import { JwtSvidError } from './jwt-svid-error.ts'

/** Claims as they stand in the token: JSON values, objects without prototype. */
export type JwtSvidClaims = { readonly [name: string]: unknown }

/** A JWT-SVID. Whether it was verified is for the function that returned it to say. */
export interface JwtSvid {
  readonly spiffeId: SpiffeId
  readonly audience: readonly string[]
  readonly expiresAt: Date
  /** Undefined when the token does not say. */
  readonly issuedAt: Date | undefined
  readonly claims: JwtSvidClaims
  /** What the operator says this identity is for; empty when nothing, or not known. */
  readonly hint: string
  /** The token itself: a secret. Not enumerable, so that printing the SVID never prints it. */
  readonly token: string
}

/** A token taken apart: what its signature is over, and what it says. Nothing of it is trusted. */
export interface ParsedToken {
  readonly svid: JwtSvid
  readonly algorithm: JwtSvidAlgorithm
  readonly keyId: string
  /** Whether the header asks for nothing that would have the token read in another way; the verifier refuses it otherwise. */
  readonly isUnderstood: boolean
  readonly notBefore: number | undefined
  readonly signed: Buffer
  readonly signature: Buffer
}

/** Options of {@link parseJwtSvidInsecure}. */
export interface ParseJwtSvidOptions {
  readonly hint?: string
}

/** Longest token that is read, in characters. */
export const maxTokenCharacters: number = 64 * 1024

const base64url = /^[\w-]+$/

/**
 * Reads a JWT-SVID WITHOUT checking its signature, times or audience: for tokens of our own that the Workload API has just
 * given us, never for one that somebody presents.
 *
 * @throws {JwtSvidError} for a token that breaks the form of JWT-SVIDs
 */
export function parseJwtSvidInsecure(token: string, options: ParseJwtSvidOptions = {}): JwtSvid {
  return parseToken(token, { hint: options.hint ?? '' }).svid
}

/** Takes a token apart and checks its form [JWT-SVID 2, 3, 5.1]; the signature is the caller's to check. */
export function parseToken(
  token: string,
  options: { readonly hint?: string; readonly ignoresType?: boolean } = {},
): ParsedToken {
  if (token.length > maxTokenCharacters) throw malformed('token is too long')
  // Two dots and no more are looked for: a token of a million dots costs no list.
  const first = token.indexOf('.')
  const second = token.indexOf('.', first + 1)
  if (first < 0 || second < 0 || token.indexOf('.', second + 1) >= 0)
    throw malformed('compact JWS format must have three parts')
  const head = decode(token.slice(0, first))
  const body = decode(token.slice(first + 1, second))
  // No signature at all is the verifier's to refuse: it is a token, of nobody.
  const signature = second + 1 === token.length ? Buffer.alloc(0) : decode(token.slice(second + 1))
  const header = parseHeader(textOf(head), options.ignoresType ?? false)
  const claims = parseObject(textOf(body))
  const { notBefore, ...registered } = readClaims(claims)
  const svid = { ...registered, claims, hint: options.hint ?? '' }
  return {
    ...header,
    svid: Object.defineProperty(svid, 'token', { value: token }) as typeof svid & {
      readonly token: string
    },
    notBefore,
    signed: Buffer.from(token.slice(0, second), 'latin1'),
    signature,
  }
}

function parseHeader(
  text: string,
  ignoresType: boolean,
): Pick<ParsedToken, 'algorithm' | 'keyId' | 'isUnderstood'> {
  const header = parseObject(text)
  const { alg, kid, typ } = header
  if (!isJwtSvidAlgorithm(alg)) {
    const name = typeof alg === 'string' ? JSON.stringify(alg.slice(0, 64)) : 'none'
    throw new JwtSvidError('ERR_JWT_SVID_HEADER', `unexpected signature algorithm ${name}`)
  }
  if (!ignoresType && typ !== undefined && typ !== 'JWT' && typ !== 'JOSE')
    throw new JwtSvidError(
      'ERR_JWT_SVID_HEADER',
      'token header type not equal to either JWT or JOSE',
    )
  if (typeof kid !== 'string' || kid === '')
    throw new JwtSvidError('ERR_JWT_SVID_KEY_ID_MISSING', 'token header missing key id')
  // What would change how the token is read, and is not understood here [RFC 7515 4.1.11, RFC 7797].
  const isUnderstood = ['crit', 'b64', 'zip'].every((name) => header[name] === undefined)
  return { algorithm: alg, keyId: kid, isUnderstood }
}

function readClaims(claims: JwtSvidClaims): {
  readonly spiffeId: SpiffeId
  readonly audience: readonly string[]
  readonly expiresAt: Date
  readonly issuedAt: Date | undefined
  readonly notBefore: number | undefined
} {
  // The types of all registered claims come first, then what is missing, as for SPIRE's verifiers.
  const audience = readAudience(claims['aud'])
  const expiresAt = readTime(claims, 'exp')
  const issuedAt = readTime(claims, 'iat')
  const notBefore = readTime(claims, 'nbf')
  for (const name of ['iss', 'jti']) readText(claims, name)
  const sub = readText(claims, 'sub')
  if (sub === '')
    throw new JwtSvidError('ERR_JWT_SVID_SUBJECT_MISSING', 'token missing subject claim')
  if (expiresAt === undefined)
    throw new JwtSvidError('ERR_JWT_SVID_EXPIRY_MISSING', 'token missing exp claim')
  return {
    spiffeId: parseSubject(sub),
    audience,
    expiresAt: new Date(expiresAt * 1000),
    issuedAt: issuedAt === undefined ? undefined : new Date(issuedAt * 1000),
    notBefore,
  }
}

function parseSubject(subject: string): SpiffeId {
  try {
    return SpiffeId.parse(subject)
  } catch (error) {
    throw new JwtSvidError('ERR_JWT_SVID_SUBJECT_INVALID', messageOf(error), { cause: error })
  }
}

/** A claim that is a text; empty when it is not there. */
function readText(claims: JwtSvidClaims, name: string): string {
  const value = claims[name] ?? ''
  if (typeof value !== 'string') throw invalidClaim(name, 'a string', value)
  return value
}

/** A time in seconds since 1970 that a Date can hold. */
function readTime(claims: JwtSvidClaims, name: string): number | undefined {
  const value = claims[name]
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'number' || !(Math.abs(value) <= 8.64e12))
    throw invalidClaim(name, 'a number of seconds', value)
  return Math.trunc(value)
}

function readAudience(value: unknown): readonly string[] {
  if (value === undefined) return []
  const list: readonly unknown[] = Array.isArray(value) ? value : [value]
  return list.map((one) => {
    if (typeof one !== 'string') throw invalidClaim('aud', 'strings', one)
    return one
  })
}

function parseObject(text: string): JwtSvidClaims {
  try {
    return parseStrictJson(text, { maxCharacters: maxTokenCharacters })
  } catch (error) {
    if (!isSpiffeError(error)) throw error
    throw new JwtSvidError('ERR_JWT_SVID_MALFORMED', messageOf(error), { cause: error })
  }
}

function textOf(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw malformed('a part is not UTF-8')
  }
}

/** Base64url without padding, and only the canonical form: one token has one text. */
function decode(part: string): Buffer {
  const bytes = Buffer.from(part, 'base64url')
  if (!base64url.test(part) || bytes.toString('base64url') !== part)
    throw malformed('a part is not base64url')
  return bytes
}

function invalidClaim(name: string, expected: string, found: unknown): JwtSvidError {
  const given = Array.isArray(found) ? 'array' : found === null ? 'null' : typeof found
  return new JwtSvidError(
    'ERR_JWT_SVID_CLAIM_INVALID',
    `claim ${name}: ${expected} expected, found ${given}`,
  )
}

function malformed(message: string): JwtSvidError {
  return new JwtSvidError('ERR_JWT_SVID_MALFORMED', message)
}
