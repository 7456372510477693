import { ExchangeError } from './exchange-error.ts'

const loopback = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/

/**
 * Reads the URL that SVIDs are sent to: https, or http to this machine only, since whoever reads a token on the way can use it.
 *
 * @throws {ExchangeError} `ERR_EXCHANGE_OPTION`
 */
export function parseEndpoint(text: string, name: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const isSafe =
    url?.protocol === 'https:' || (url?.protocol === 'http:' && loopback.test(url.hostname))
  if (!url || !isSafe || url.username !== '' || url.password !== '' || url.hash !== '')
    throw badOption(name, 'an https URL without user and fragment is expected')
  return url
}

/** The text of an option that must look like something. @throws {ExchangeError} `ERR_EXCHANGE_OPTION` */
export function checkOption(name: string, text: string, pattern: RegExp): string {
  if (!pattern.test(text)) throw badOption(name, 'it does not look like one')
  return text
}

/** An option that cannot be. The value is not repeated: it could be a secret in the wrong place. */
export function badOption(name: string, why: string): ExchangeError {
  return new ExchangeError('ERR_EXCHANGE_OPTION', `${name}: ${why}`)
}
