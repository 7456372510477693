import { isJsonObject, type JsonObject, parseStrictJson } from '../bundle/strict-json.ts'
import { type Clock, systemClock } from '../clock.ts'
import { messageOf } from '../errors.ts'
import { type Environment, HttpClient, HttpError, type HttpRequest } from '../http/index.ts'
import { ExchangeError } from './exchange-error.ts'

/** How the one who gives out credentials is reached. */
export interface ReachOptions {
  /** Trusts these authorities (PEM) in place of the machine's. */
  readonly roots?: readonly string[] | undefined
  /** Proxies and roots of the machine are read from it. @default process.env */
  readonly environment?: Environment | undefined
}

/** What is asked, of whom. */
export interface Question extends HttpRequest {
  /** Who answers, for errors: `AWS STS`. */
  readonly who: string
  /** Finds in a refusal the codes it knows by name, and nothing else of it. */
  readonly codeOf?: ((text: string) => string | undefined) | undefined
}

const maxAnswerBytes = 256 * 1024

/** The way out that exchanges take: the SDK's, with the machine's roots and proxies. */
export function httpFor(
  options: ReachOptions & { readonly clock?: Clock | undefined },
): HttpClient {
  return new HttpClient({
    environment: options.environment ?? process.env,
    clock: options.clock ?? systemClock,
  })
}

/**
 * Asks, and returns the text of an answer that grants. Redirects are not followed: they would carry the SVID along.
 *
 * @throws {ExchangeError} `ERR_EXCHANGE_UNAVAILABLE` when asking again may help, `ERR_EXCHANGE_REFUSED`, `ERR_EXCHANGE_ANSWER`
 */
export async function ask(
  http: HttpClient,
  { who, codeOf, ...request }: Question,
): Promise<string> {
  const { status, body } = await answered(http, who, request)
  if (status >= 200 && status < 300) return textOf(who, body)
  if (status >= 300 && status < 400)
    throw new ExchangeError('ERR_EXCHANGE_ANSWER', `${who} redirects, which is not followed`)
  const known = codeOf?.(new TextDecoder().decode(body))
  const message = `${who} answers ${status}${known === undefined ? '' : ` (${known})`}`
  const isPassing = status >= 500 || status === 429 || status === 408
  throw new ExchangeError(isPassing ? 'ERR_EXCHANGE_UNAVAILABLE' : 'ERR_EXCHANGE_REFUSED', message)
}

/** Reads an answer that must be a JSON object. @throws {ExchangeError} `ERR_EXCHANGE_ANSWER` */
export function readObject(who: string, text: string): JsonObject {
  try {
    return parseStrictJson(text, { maxCharacters: maxAnswerBytes })
  } catch {
    throw unreadable(who)
  }
}

/** A member that must be an object. @throws {ExchangeError} `ERR_EXCHANGE_ANSWER` */
export function readMember(who: string, object: JsonObject, name: string): JsonObject {
  const value = object[name]
  if (!isJsonObject(value)) throw unreadable(who, name)
  return value
}

/** A member that must be a text which can stand in a header. @throws {ExchangeError} `ERR_EXCHANGE_ANSWER` */
export function readText(who: string, object: JsonObject, name: string): string {
  const value = object[name]
  if (typeof value !== 'string' || !/^[\x21-\x7e]+$/.test(value)) throw unreadable(who, name)
  return value
}

/** An instant as RFC 3339 has it. @throws {ExchangeError} `ERR_EXCHANGE_ANSWER` */
export function readInstant(who: string, text: string): Date {
  const instant = new Date(
    /^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)$/.test(text) ? text : Number.NaN,
  )
  if (Number.isNaN(instant.getTime())) throw unreadable(who, 'time')
  return instant
}

/** When something ends that lives for so many seconds from now on. @throws {ExchangeError} `ERR_EXCHANGE_ANSWER` */
export function readLifetime(who: string, object: JsonObject, name: string, nowMs: number): Date {
  const value = object[name]
  if (typeof value !== 'number' || !(value > 0) || value > 1e10) throw unreadable(who, name)
  return new Date(nowMs + value * 1000)
}

/** An answer that makes no sense; nothing of it is repeated. */
export function unreadable(who: string, what = 'answer'): ExchangeError {
  return new ExchangeError('ERR_EXCHANGE_ANSWER', `${who}: the ${what} cannot be read`)
}

async function answered(
  http: HttpClient,
  who: string,
  request: HttpRequest,
): Promise<{ readonly status: number; readonly body: Uint8Array }> {
  try {
    return await http.request({ ...request, maxBytes: maxAnswerBytes })
  } catch (cause) {
    // What aborted the request says so itself.
    if (!(cause instanceof HttpError)) throw cause
    const isOurs = cause.code === 'ERR_HTTP_TOO_LARGE' || cause.code === 'ERR_HTTP_SERVER_REFUSED'
    throw new ExchangeError(
      isOurs ? 'ERR_EXCHANGE_ANSWER' : 'ERR_EXCHANGE_UNAVAILABLE',
      `${who}: ${messageOf(cause)}`,
      { cause },
    )
  }
}

function textOf(who: string, body: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body)
  } catch {
    throw unreadable(who)
  }
}
