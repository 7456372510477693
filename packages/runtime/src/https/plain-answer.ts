import type { IncomingMessage, ServerResponse } from 'node:http'

/** How a request is answered with a line of text. */
export interface PlainAnswer {
  readonly status: number
  /** Without its newline. */
  readonly text: string
  /** @default the usual one of the status */
  readonly reason?: string
}

/** Answers with a line of text, and nothing else on this connection: what else a client sends is not read. */
export function answerPlainly(
  response: ServerResponse,
  { status, text, reason }: PlainAnswer,
): void {
  const body = `${text}\n`
  const headers = {
    'content-type': 'text/plain; charset=utf-8',
    'x-content-type-options': 'nosniff',
    'content-length': Buffer.byteLength(body),
    connection: 'close',
  }
  if (reason === undefined) response.writeHead(status, headers)
  else response.writeHead(status, reason, headers)
  response.end(body)
}

/** The path of a request as its client means it: without query, escapes undone. */
export function pathOf({ url = '' }: IncomingMessage): string {
  const path = url.replace(/[?#].*$/s, '')
  try {
    // A request to a proxy names the whole URL.
    return decodeURIComponent(path.startsWith('/') ? path : new URL(path).pathname)
  } catch {
    return path
  }
}

/**
 * The host that a client asks for: of the URL, when it sends a whole one, else of its one Host header.
 *
 * @returns undefined when it names several hosts or none that can be one [RFC 9112 3.2]
 */
export function hostOf(request: IncomingMessage): string | undefined {
  const { url = '', headers, headersDistinct } = request
  if ((headersDistinct['host']?.length ?? 0) > 1) return undefined
  const whole = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(url)?.[1]
  const host = whole ?? headers.host ?? ''
  return /^[\w.~!$&'()*+,;=:%[\]-]*$/.test(host) ? host : undefined
}
