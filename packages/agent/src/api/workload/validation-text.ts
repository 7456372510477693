import { messageOf } from '@mini-spire/sdk/errors'
import { JwtSvidError } from '@mini-spire/sdk/jwt-svid'

const library = 'go-jose/go-jose'
const algorithms = ['ES', 'RS', 'PS'].flatMap((family) =>
  ['256', '384', '512'].map((bits) => `"${family}${bits}"`),
)

/** What SPIRE's agent says of a token that was refused: for those who wait for its texts. The token is never in them. */
export function validationText(error: unknown, token: string): string {
  const message = messageOf(error)
  if (!(error instanceof JwtSvidError)) return message
  switch (error.code) {
    case 'ERR_JWT_SVID_MALFORMED':
      return malformedText(message, token)
    case 'ERR_JWT_SVID_HEADER':
      return headerText(message)
    case 'ERR_JWT_SVID_CLAIM_INVALID':
      return claimText(message)
    case 'ERR_JWT_SVID_SUBJECT_INVALID':
      return `token has in invalid subject claim: ${message}`
    case 'ERR_JWT_SVID_BUNDLE_NOT_FOUND':
      return message.replace('no bundle found for', 'no keys found for')
    case 'ERR_JWT_SVID_AUTHORITY_NOT_FOUND':
      return message.replace(
        /^no JWT authority (".*") found for (trust domain ".*")$/,
        'public key $1 not found in $2',
      )
    case 'ERR_JWT_SVID_SIGNATURE':
      return `${library}: ${message}`
    case 'ERR_JWT_SVID_NOT_YET_VALID':
      return `${library}/jwt: validation failed, ${message}`
    case 'ERR_JWT_SVID_ISSUED_IN_FUTURE':
      return `${library}/jwt: validation field, ${message}`
    default:
      return message
  }
}

function malformedText(message: string, token: string): string {
  const unreadable = 'unable to parse JWT token: '
  if (message.startsWith('compact JWS')) return `${unreadable}${library}: ${message}`
  if (message !== 'a part is not base64url') return unreadable + message
  const part = token.split('.').find((one) => !isBase64Url(one))
  // Base64url that is not the canonical one is read by SPIRE's agent; no signature is made over it.
  if (part === undefined) return `${library}: error in cryptographic primitive`
  const at = part.search(/[^\w\r\n-]/)
  return `${unreadable}illegal base64 data at input byte ${at < 0 ? Math.max(part.length - 1, 0) : at}`
}

function isBase64Url(part: string): boolean {
  return /^[\w\r\n-]*$/.test(part) && part.replaceAll(/[\r\n]/g, '').length % 4 !== 1
}

function headerText(message: string): string {
  const unexpected = /^unexpected signature algorithm (?:none|(".*"))$/.exec(message)
  if (!unexpected) return `${library}: ${message}`
  const found = unexpected[1] ?? '""'
  return `unable to parse JWT token: unexpected signature algorithm ${found}; expected [${algorithms.join(' ')}]`
}

function claimText(message: string): string {
  const [, name = '', found = ''] = /^claim (\w+): .* expected, found (\w+)$/.exec(message) ?? []
  if (name === 'aud')
    return `${library}/jwt: expected string or array value to unmarshal to Audience`
  if (name === 'sub' || name === 'iss' || name === 'jti')
    return `json: cannot unmarshal ${found === 'boolean' ? 'bool' : found} into Go value of type string`
  return `${library}/jwt: expected number value to unmarshal NumericDate`
}
