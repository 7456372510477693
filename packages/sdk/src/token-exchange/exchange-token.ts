import type { JsonObject } from '../bundle/strict-json.ts'
import { type Clock, systemClock } from '../clock.ts'
import {
  ask,
  httpFor,
  parseEndpoint,
  type ReachOptions,
  readLifetime,
  readObject,
  readText,
} from '../exchange/index.ts'

/** Token types as RFC 8693 names them. */
export const tokenTypes = {
  jwt: 'urn:ietf:params:oauth:token-type:jwt',
  idToken: 'urn:ietf:params:oauth:token-type:id_token',
  accessToken: 'urn:ietf:params:oauth:token-type:access_token',
} as const

/** What is asked of a token endpoint [RFC 8693 2.1]. */
export interface TokenRequest {
  /** The token endpoint; https, or http to this machine. */
  readonly url: string
  /** Whom the new token is for, by name. */
  readonly audience?: readonly string[] | undefined
  /** Whom the new token is for, by URL. */
  readonly resource?: readonly string[] | undefined
  readonly scope?: readonly string[] | undefined
  /** @default the server's choice */
  readonly requestedTokenType?: string | undefined
  /** @default urn:ietf:params:oauth:token-type:jwt */
  readonly subjectTokenType?: string | undefined
  /** For servers that want to know their clients. */
  readonly clientId?: string | undefined
}

/** Options of {@link exchangeToken}. */
export interface ExchangeTokenOptions extends TokenRequest, ReachOptions {
  /** What is given in exchange: a JWT-SVID, or a token of a CI job or cloud. */
  readonly subjectToken: string
  /** @default the machine's time */
  readonly clock?: Clock | undefined
  readonly signal?: AbortSignal | undefined
}

/** What a token endpoint gave [RFC 8693 2.2.1]. */
export interface ExchangedToken {
  /** The token itself: a secret. Not enumerable, so that printing this never prints it. */
  readonly token: string
  /** What it is: one of {@link tokenTypes}, or another URI. */
  readonly issuedTokenType: string
  /** How it is presented: `Bearer`, or `N_A` for what is no access token. */
  readonly tokenType: string
  readonly scope: readonly string[] | undefined
  /** Undefined when the server does not say. */
  readonly expiresAt: Date | undefined
}

const who = 'the token endpoint'
const grantType = 'urn:ietf:params:oauth:grant-type:token-exchange'

/** Error codes of OAuth [RFC 6749 5.2, RFC 8693 2.2.2]; anything else of a refusal stays unread. */
const knownCodes: readonly unknown[] = [
  'invalid_request',
  'invalid_client',
  'invalid_grant',
  'invalid_scope',
  'invalid_target',
  'unauthorized_client',
  'unsupported_grant_type',
  'temporarily_unavailable',
  'server_error',
]

/**
 * Exchanges one token for another [RFC 8693], once. What renews by itself is `TokenExchange`.
 *
 * @throws {ExchangeError}
 * @example
 * const { token } = await exchangeToken({ url, subjectToken: jobToken, audience: ['spiffe://example.org/api'] })
 */
export async function exchangeToken(options: ExchangeTokenOptions): Promise<ExchangedToken> {
  const { clock = systemClock, roots, signal } = options
  const url = parseEndpoint(options.url, 'url')
  const answer = await ask(httpFor(options), {
    who,
    codeOf,
    url: url.href,
    method: 'POST',
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      accept: 'application/json',
    },
    body: formOf(options).toString(),
    ...(roots && { roots }),
    ...(signal && { signal }),
  })
  return readToken(readObject(who, answer), clock.nowMs())
}

function formOf(options: ExchangeTokenOptions): URLSearchParams {
  const { audience = [], resource = [], scope, requestedTokenType, clientId } = options
  const pairs: readonly (readonly [string, string | undefined])[] = [
    ['grant_type', grantType],
    ['subject_token', options.subjectToken],
    ['subject_token_type', options.subjectTokenType ?? tokenTypes.jwt],
    ['requested_token_type', requestedTokenType],
    ['scope', scope?.join(' ')],
    ['client_id', clientId],
    ...audience.map((one) => ['audience', one] as const),
    ...resource.map((one) => ['resource', one] as const),
  ]
  const form = new URLSearchParams()
  for (const [name, value] of pairs) if (value !== undefined) form.append(name, value)
  return form
}

function readToken(answer: JsonObject, nowMs: number): ExchangedToken {
  const scope = answer['scope']
  const read = {
    issuedTokenType: readText(who, answer, 'issued_token_type'),
    tokenType: readText(who, answer, 'token_type'),
    scope: typeof scope === 'string' ? scope.split(' ') : undefined,
    expiresAt:
      answer['expires_in'] === undefined
        ? undefined
        : readLifetime(who, answer, 'expires_in', nowMs),
  }
  const value = readText(who, answer, 'access_token')
  return Object.defineProperty(read, 'token', { value }) as typeof read & { readonly token: string }
}

function codeOf(text: string): string | undefined {
  try {
    const { error } = readObject(who, text)
    return knownCodes.includes(error) ? String(error) : undefined
  } catch {
    return undefined
  }
}
