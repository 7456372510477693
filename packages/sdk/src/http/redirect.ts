import { messageOf } from '../errors.ts'
import { HttpError } from './http-error.ts'
import type { HttpAnswer, HttpRequest } from './http-message.ts'

const redirecting: readonly number[] = [301, 302, 303, 307, 308]

/** Headers that may be shown to another origin than they were meant for. */
const publicHeaders: readonly string[] = ['accept', 'accept-language', 'user-agent']

/** A request that follows from an answer. */
export interface Hop {
  readonly url: URL
  readonly request: HttpRequest
}

/**
 * Where an answer leads, or undefined when it is the one to return. Another origin is shown neither the client's
 * certificate nor headers that could hold a secret.
 *
 * @throws {HttpError} `ERR_HTTP_REDIRECT` when the redirect is one too many, leads out of https, or is refused
 */
export function nextHop(options: {
  readonly url: URL
  readonly request: HttpRequest
  readonly answer: HttpAnswer
  /** Redirects followed so far. */
  readonly hops: number
}): Hop | undefined {
  const { url, request, answer, hops } = options
  const { redirects, method = 'GET', unixSocket } = request
  const { location } = answer.headers
  if (!redirects || unixSocket !== undefined || location === undefined) return undefined
  if (!redirecting.includes(answer.status) || !['GET', 'HEAD'].includes(method)) return undefined
  if (hops >= redirects.max)
    throw refused(`${url.host} redirects more often than ${redirects.max} times`)
  const next = URL.canParse(location, url.href) ? new URL(location, url) : undefined
  if (next?.protocol !== 'https:' || url.protocol !== 'https:')
    throw refused(`${url.host} redirects to something that is not https`)
  try {
    redirects.check?.(next)
  } catch (cause) {
    throw refused(`${url.host} redirects to where it may not: ${messageOf(cause)}`, cause)
  }
  return { url: next, request: next.origin === url.origin ? request : forStrangers(request) }
}

function forStrangers(request: HttpRequest): HttpRequest {
  const { clientCertificate: _own, headers = {}, ...rest } = request
  const kept = Object.entries(headers).filter(([name]) =>
    publicHeaders.includes(name.toLowerCase()),
  )
  return { ...rest, headers: Object.fromEntries(kept) }
}

function refused(message: string, cause?: unknown): HttpError {
  return new HttpError('ERR_HTTP_REDIRECT', message, { cause })
}
