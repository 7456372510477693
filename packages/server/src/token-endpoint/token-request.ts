import { isSpiffeError } from '@mini-spire/sdk/errors'
import { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import { parsePem } from '@mini-spire/sdk/x509'
import type { ExchangeRequest, WantedSvid } from '../exchange/exchange-request.ts'
import type { Form } from './read-form.ts'
import { TokenRequestError } from './token-request-error.ts'

/** Types of tokens, as RFC 8693 names them, and as this server does. */
export const tokenTypes = {
  jwt: 'urn:ietf:params:oauth:token-type:jwt',
  accessToken: 'urn:ietf:params:oauth:token-type:access_token',
  idToken: 'urn:ietf:params:oauth:token-type:id_token',
  x509Svid: 'urn:mini-spire:token-type:x509-svid',
} as const

/** A type of token that is issued. */
export type IssuedTokenType =
  | typeof tokenTypes.jwt
  | typeof tokenTypes.accessToken
  | typeof tokenTypes.x509Svid

/** A request of the exchange, and how its answer is to be named. */
export interface TokenRequest extends ExchangeRequest {
  readonly issuedTokenType: IssuedTokenType
}

const grantType = 'urn:ietf:params:oauth:grant-type:token-exchange'
const subjectTokenTypes: ReadonlySet<string> = new Set([tokenTypes.jwt, tokenTypes.idToken])
const maxAudiences = 16
const maxAudienceLength = 1024
const maxCsrLength = 16 * 1024
/** Those that may come several times [RFC 8693 2.1]. */
const repeatable: ReadonlySet<string> = new Set(['audience', 'resource'])

/**
 * Reads a request for an exchange of tokens [RFC 8693 2.1]. `audience` and `resource` are for whom a JWT-SVID is to be, `scope` is the
 * SPIFFE ID that is wanted, `csr` goes with an X509-SVID. Parameters that are not known are ignored [RFC 6749 3.2].
 *
 * @throws {TokenRequestError}
 */
export function readTokenRequest(form: Form): TokenRequest {
  for (const [name, values] of form) {
    if (values.length > 1 && !repeatable.has(name)) throw malformed('a parameter comes twice')
  }
  const grant = required(form, 'grant_type')
  if (grant !== grantType) {
    throw new TokenRequestError('ERR_TOKEN_REQUEST_GRANT_TYPE', `grant_type is not ${grantType}`)
  }
  const subjectToken = required(form, 'subject_token')
  if (!subjectTokenTypes.has(required(form, 'subject_token_type')))
    throw malformed('subject_token_type is neither jwt nor id_token')
  if (form.has('actor_token') || form.has('actor_token_type'))
    throw malformed('nobody can act for another here: actor_token is not taken')
  const issuedTokenType = readIssuedType(form)
  const wanted = readWanted(form, issuedTokenType)
  return { subjectToken, wanted, spiffeId: readScope(form), issuedTokenType }
}

function readIssuedType(form: Form): IssuedTokenType {
  const type = optional(form, 'requested_token_type') ?? tokenTypes.jwt
  switch (type) {
    case tokenTypes.jwt:
    case tokenTypes.accessToken:
    case tokenTypes.x509Svid:
      return type
    default:
      throw malformed(`requested_token_type is not jwt, access_token or ${tokenTypes.x509Svid}`)
  }
}

function readWanted(form: Form, type: IssuedTokenType): WantedSvid {
  const audience = [
    ...(form.get('audience') ?? []),
    ...(form.get('resource') ?? []).map(readResource),
  ]
  const csr = optional(form, 'csr')
  if (type === tokenTypes.x509Svid) {
    if (audience.length > 0) throw target('an X509-SVID is for everybody: audience is not taken')
    if (csr === undefined) throw malformed('csr is missing')
    return { kind: 'x509-svid', csr: readCsr(csr) }
  }
  if (csr !== undefined) throw malformed('csr goes with an X509-SVID only')
  if (audience.length === 0) throw target('audience is missing')
  if (audience.length > maxAudiences) throw target(`more than ${maxAudiences} audiences`)
  if (audience.some((one) => one.length > maxAudienceLength))
    throw target('an audience is too long')
  return { kind: 'jwt-svid', audience }
}

/** An absolute URI without fragment [RFC 8693 2.1]. */
function readResource(text: string): string {
  if (!text.includes('#') && /^[a-z][a-z\d+.-]*:\S+$/i.test(text)) return text
  throw target('resource is not an absolute URI without fragment')
}

function readScope(form: Form): SpiffeId | undefined {
  const scope = optional(form, 'scope')
  if (scope === undefined) return undefined
  try {
    return SpiffeId.parse(scope)
  } catch (cause) {
    const message = 'scope is not one SPIFFE ID'
    throw new TokenRequestError('ERR_TOKEN_REQUEST_SCOPE', message, { cause })
  }
}

/** One PEM block, and nothing around it. */
function readCsr(text: string): Uint8Array {
  if (text.length > maxCsrLength) throw malformed('csr is too long')
  try {
    const [block, ...more] = parsePem(text)
    if (block?.label === 'CERTIFICATE REQUEST' && more.length === 0) return block.der
  } catch (error) {
    if (!isSpiffeError(error)) throw error
  }
  throw malformed('csr is not one CERTIFICATE REQUEST in PEM')
}

function required(form: Form, name: string): string {
  const value = optional(form, name)
  if (value === undefined) throw malformed(`${name} is missing`)
  return value
}

function optional(form: Form, name: string): string | undefined {
  return form.get(name)?.[0]
}

function malformed(message: string): TokenRequestError {
  return new TokenRequestError('ERR_TOKEN_REQUEST_MALFORMED', message)
}

function target(message: string): TokenRequestError {
  return new TokenRequestError('ERR_TOKEN_REQUEST_TARGET', message)
}
