import { hash } from 'node:crypto'
import type { Clock } from '@mini-spire/runtime/clock'
import type { JsonObject } from '@mini-spire/sdk/bundle'
import { checkAudience, checkTimes } from './check-claims.ts'
import { ExchangeError } from './exchange-error.ts'
import type { IssuerKeys } from './issuer-keys.ts'
import { parsePart, parseUnverified, type UnverifiedToken } from './parse-token.ts'
import type { IssuerKey } from './read-jwks.ts'
import { checkRules, type TokenIssuer } from './token-issuer.ts'

/** An issuer and its keys. */
export interface TrustedIssuer extends TokenIssuer {
  readonly keys: Pick<IssuerKeys, 'find'>
}

/** A token that its issuer signed, for us, that is valid now and meets the issuer's rules. */
export interface VerifiedToken {
  readonly issuer: TokenIssuer
  /** What was signed, and nothing else. */
  readonly claims: JsonObject
  /** Tells the token from every other, whatever is done to its signature. */
  readonly tokenHash: string
  readonly expiresAtSeconds: number
}

const maxTokenIdLength = 1024

/** Options of {@link TokenVerifier}. */
export interface TokenVerifierOptions {
  readonly issuers: readonly TrustedIssuer[]
  readonly clock: Clock
}

/**
 * Verifies tokens of the issuers that an operator has named.
 *
 * The issuer is the one whose URL is the token's `iss`, byte for byte; only its keys are tried, and of these only the one that the
 * token names, with an algorithm that is the key's. What comes back are the claims in the bytes that were signed.
 */
export class TokenVerifier {
  readonly #issuers: ReadonlyMap<string, TrustedIssuer>
  readonly #clock: Clock

  constructor(options: TokenVerifierOptions) {
    this.#issuers = new Map(options.issuers.map((issuer) => [issuer.url, issuer]))
    this.#clock = options.clock
  }

  /**
   * @param onIssuer told which issuer the token claims to be of, before that is known to be true
   * @throws {ExchangeError} `ERR_EXCHANGE_TOKEN_MALFORMED`, `ERR_EXCHANGE_TOKEN_ISSUER`, `ERR_EXCHANGE_TOKEN_KEY`,
   *   `ERR_EXCHANGE_TOKEN_SIGNATURE`, `ERR_EXCHANGE_TOKEN_AUDIENCE`, `ERR_EXCHANGE_TOKEN_TIMES`, `ERR_EXCHANGE_TOKEN_RULES`,
   *   `ERR_EXCHANGE_KEYS_UNAVAILABLE`
   */
  async verify(token: string, onIssuer: (issuer: TokenIssuer) => void): Promise<VerifiedToken> {
    const unverified = parseUnverified(token)
    const issuer = this.#issuers.get(unverified.issuerUrl)
    if (!issuer) throw new ExchangeError('ERR_EXCHANGE_TOKEN_ISSUER', 'no such issuer is trusted')
    onIssuer(issuer)
    const key = await findKey(issuer, unverified)
    const claims = parsePart(await verifySignature(token, unverified, key))
    checkAudience(issuer, claims)
    const expiresAtSeconds = checkTimes(issuer, claims, this.#clock.nowMs() / 1000)
    checkRules(issuer, claims)
    const tokenHash = hashToken(issuer, claims, unverified.signedText)
    return { issuer, claims, tokenHash, expiresAtSeconds }
  }
}

async function findKey(
  issuer: TrustedIssuer,
  { keyId, algorithm }: UnverifiedToken,
): Promise<IssuerKey> {
  const key = await issuer.keys.find(keyId)
  if (key?.algorithms.includes(algorithm)) return key
  const message = key
    ? `the key of issuer ${issuer.name} is not for the algorithm of the token`
    : `issuer ${issuer.name} has no such key`
  throw new ExchangeError('ERR_EXCHANGE_TOKEN_KEY', message)
}

async function verifySignature(
  token: string,
  { algorithm }: UnverifiedToken,
  { key }: IssuerKey,
): Promise<Uint8Array> {
  const { compactVerify } = await import('jose')
  try {
    const { payload } = await compactVerify(token, key, { algorithms: [algorithm] })
    return payload
  } catch {
    // The library's error may carry what it read.
    throw new ExchangeError('ERR_EXCHANGE_TOKEN_SIGNATURE', 'the signature is not the issuer’s')
  }
}

/**
 * What a token is remembered by: its issuer and its `jti`, or without one the bytes that were signed. Not the signature, of which
 * there may be several for the same bytes.
 */
function hashToken(issuer: TokenIssuer, { jti }: JsonObject, signedText: string): string {
  if (jti === undefined) return sha256('token', issuer.url, signedText)
  if (typeof jti === 'string' && jti !== '' && jti.length <= maxTokenIdLength)
    return sha256('jti', issuer.url, jti)
  throw new ExchangeError('ERR_EXCHANGE_TOKEN_MALFORMED', 'the token has a jti that is none')
}

function sha256(...parts: readonly string[]): string {
  return hash('sha256', JSON.stringify(parts))
}
