import { isSpiffeError, type SpiffeError } from '@mini-spire/sdk/errors'
import { ExchangeError, type ExchangeErrorCode } from '../exchange/exchange-error.ts'
import { IssuanceError, type IssuanceErrorCode } from '../issuance/issuance-error.ts'
import { TokenRequestError, type TokenRequestErrorCode } from './token-request-error.ts'

/** What a client is told instead of a token [RFC 6749 5.2, RFC 8693 2.2.2]. */
export interface OAuthRefusal {
  readonly status: number
  readonly error:
    | 'invalid_request'
    | 'invalid_target'
    | 'invalid_scope'
    | 'unauthorized_client'
    | 'unsupported_grant_type'
    | 'temporarily_unavailable'
    | 'server_error'
  /** `error_description`; undefined: the message of the error. */
  readonly description?: string
}

const badRequest = (description?: string): OAuthRefusal =>
  ({ status: 400, error: 'invalid_request', ...(description && { description }) }) as const
const unavailable = (description: string): OAuthRefusal => ({
  status: 503,
  error: 'temporarily_unavailable',
  description,
})
const internal: OAuthRefusal = {
  status: 500,
  error: 'server_error',
  description: 'the server cannot issue now',
}

const notVerified = badRequest('the subject token cannot be verified')

/** A token that is not taken for whatever reason is an invalid request [RFC 8693 2.2.2]. What an operator configured is not told. */
const exchangeRefusals: Readonly<Record<ExchangeErrorCode, OAuthRefusal>> = {
  ERR_EXCHANGE_TOKEN_MALFORMED: badRequest(),
  ERR_EXCHANGE_TOKEN_ISSUER: badRequest('the issuer of the subject token is not trusted'),
  ERR_EXCHANGE_TOKEN_KEY: notVerified,
  ERR_EXCHANGE_TOKEN_SIGNATURE: notVerified,
  ERR_EXCHANGE_TOKEN_AUDIENCE: badRequest('the subject token is not for this server alone'),
  ERR_EXCHANGE_TOKEN_TIMES: badRequest(),
  ERR_EXCHANGE_TOKEN_RULES: badRequest('the subject token does not meet the rules of its issuer'),
  ERR_EXCHANGE_TOKEN_USED: badRequest('the subject token has been exchanged before'),
  ERR_EXCHANGE_KEYS_UNAVAILABLE: unavailable('the keys of the issuer cannot be had now'),
  ERR_EXCHANGE_NO_ENTRY: {
    status: 400,
    error: 'invalid_scope',
    description: 'the subject token stands for no such identity',
  },
  ERR_EXCHANGE_AMBIGUOUS: {
    status: 400,
    error: 'invalid_scope',
    description: 'the subject token stands for several identities: name one as scope',
  },
  ERR_EXCHANGE_TARGET: { status: 400, error: 'invalid_target' },
  ERR_EXCHANGE_DENIED: { status: 400, error: 'unauthorized_client' },
  ERR_EXCHANGE_NOT_STORED: unavailable('no token can be exchanged now'),
}

const requestRefusals: Readonly<Record<TokenRequestErrorCode, OAuthRefusal>> = {
  ERR_TOKEN_REQUEST_MALFORMED: badRequest(),
  ERR_TOKEN_REQUEST_METHOD: { status: 405, error: 'invalid_request' },
  ERR_TOKEN_REQUEST_NOT_FOUND: { status: 404, error: 'invalid_request' },
  ERR_TOKEN_REQUEST_TOO_LARGE: { status: 413, error: 'invalid_request' },
  ERR_TOKEN_REQUEST_GRANT_TYPE: { status: 400, error: 'unsupported_grant_type' },
  ERR_TOKEN_REQUEST_TARGET: { status: 400, error: 'invalid_target' },
  ERR_TOKEN_REQUEST_SCOPE: { status: 400, error: 'invalid_scope' },
}

const issuanceRefusals: Readonly<Record<IssuanceErrorCode, OAuthRefusal>> = {
  ERR_CSR_REFUSED: badRequest(),
  ERR_SVID_ID_REFUSED: internal,
  ERR_AUDIENCE_MISSING: { status: 400, error: 'invalid_target' },
  ERR_JWT_SVIDS_DISABLED: { status: 400, error: 'invalid_target' },
  ERR_WIT_ALGORITHM_REFUSED: internal,
  ERR_SIGNING_FAILED: internal,
}

/** How a failure looks to the client: a failure that nobody expected says nothing of itself. */
export function oauthRefusal(error: unknown): OAuthRefusal & { readonly description: string } {
  const refusal = isSpiffeError(error) ? (findRefusal(error) ?? internal) : internal
  const message = isSpiffeError(error) ? error.message : ''
  return { ...refusal, description: refusal.description ?? message }
}

function findRefusal(error: SpiffeError): OAuthRefusal | undefined {
  if (error instanceof ExchangeError) return exchangeRefusals[error.code]
  if (error instanceof TokenRequestError) return requestRefusals[error.code]
  if (error instanceof IssuanceError) return issuanceRefusals[error.code]
  return undefined
}
