import type { IncomingMessage } from 'node:http'
import { TokenRequestError } from './token-request-error.ts'

/** The parameters of a form; those without a value are left out [RFC 6749 3.2]. */
export type Form = ReadonlyMap<string, readonly string[]>

/** The longest body, in bytes. */
export const maxBodyBytes: number = 48 * 1024
const maxParameters = 64
const contentType = /^application\/x-www-form-urlencoded[ \t]*(;[ \t]*charset="?utf-8"?[ \t]*)?$/i

/**
 * Reads the form that a request carries.
 *
 * @throws {TokenRequestError} `ERR_TOKEN_REQUEST_MALFORMED`, `ERR_TOKEN_REQUEST_TOO_LARGE`
 */
export async function readForm(request: IncomingMessage): Promise<Form> {
  const { 'content-type': type = '', 'content-encoding': encoding = 'identity' } = request.headers
  if (!contentType.test(type))
    throw malformed('content-type is not application/x-www-form-urlencoded')
  if (encoding !== 'identity') throw malformed('content-encoding is not taken')
  return parseForm(await readBody(request))
}

async function readBody(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = []
  let length = 0
  try {
    // An answer has to be possible when not everything has been read.
    for await (const piece of request.iterator({
      destroyOnReturn: false,
    }) as AsyncIterable<Buffer>) {
      length += piece.length
      if (length > maxBodyBytes) break
      pieces.push(piece)
    }
  } catch {
    throw malformed('the request was cut off')
  }
  if (length <= maxBodyBytes) return Buffer.concat(pieces).toString('latin1')
  const message = `the request is longer than ${maxBodyBytes} bytes`
  throw new TokenRequestError('ERR_TOKEN_REQUEST_TOO_LARGE', message)
}

/** Parses a form; what is not exactly one is refused. */
export function parseForm(body: string): Form {
  const form = new Map<string, string[]>()
  if (body === '') return form
  const pairs = body.split('&', maxParameters + 1)
  if (pairs.length > maxParameters) throw malformed('the request has too many parameters')
  for (const pair of pairs) {
    const equals = pair.indexOf('=')
    if (equals < 1) throw malformed('the request is not a form')
    const value = decode(pair.slice(equals + 1))
    if (value === '') continue
    const name = decode(pair.slice(0, equals))
    form.set(name, [...(form.get(name) ?? []), value])
  }
  return form
}

function decode(text: string): string {
  if (/[^\x21-\x7e]/.test(text)) throw malformed('the request is not a form')
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    throw malformed('the request is not a form')
  }
}

function malformed(message: string): TokenRequestError {
  return new TokenRequestError('ERR_TOKEN_REQUEST_MALFORMED', message)
}
