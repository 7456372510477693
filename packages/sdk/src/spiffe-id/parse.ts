import { checkPath } from './path.ts'
import { SpiffeIdError } from './spiffe-id-error.ts'

export const scheme = 'spiffe://'

/** Whether a UTF-16 code unit may stand in a trust domain name: `a-z 0-9 . - _` [SPIFFE-ID 2.1]. */
export function isTrustDomainCharacter(code: number): boolean {
  return (
    (code >= 0x61 && code <= 0x7a) ||
    (code >= 0x30 && code <= 0x39) ||
    code === 0x2d ||
    code === 0x2e ||
    code === 0x5f
  )
}

/** The one parser of SPIFFE IDs: splits `spiffe://<name><path>` and checks both parts, as strings. */
export function parseParts(text: string): { readonly name: string; readonly path: string } {
  if (text === '') throw new SpiffeIdError('ERR_SPIFFE_ID_EMPTY', 'cannot be empty')
  if (!text.startsWith(scheme)) {
    throw new SpiffeIdError('ERR_SPIFFE_ID_SCHEME', 'scheme is missing or invalid')
  }
  let end = scheme.length
  for (; end < text.length; end++) {
    const code = text.charCodeAt(end)
    if (code === 0x2f) break
    if (!isTrustDomainCharacter(code)) throw badCharacters()
  }
  if (end === scheme.length) {
    throw new SpiffeIdError('ERR_TRUST_DOMAIN_MISSING', 'trust domain is missing')
  }
  const path = text.slice(end)
  checkPath(path)
  return { name: text.slice(scheme.length, end), path }
}

/** The error for a trust domain name with a character it may not have. */
export function badCharacters(): SpiffeIdError {
  return new SpiffeIdError(
    'ERR_TRUST_DOMAIN_CHARACTERS',
    'trust domain characters are limited to lowercase letters, numbers, dots, dashes, and underscores',
  )
}
