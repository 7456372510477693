import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { HttpError } from './http-error.ts'
import type { HttpAnswer, HttpRequest } from './http-message.ts'
import { proxyAuthorization } from './proxy.ts'

/** What is asked over a connection. */
export interface Exchange {
  readonly url: URL
  readonly request: HttpRequest
  readonly maxBytes: number
  /** The proxy that a plain request is sent to: it is told the whole URL. */
  readonly plainProxy: URL | undefined
}

/** Sends one request over a connection and reads the answer to its end, or to the limit. */
export async function exchange(socket: Duplex, options: Exchange): Promise<HttpAnswer> {
  const { url, request, maxBytes, plainProxy } = options
  const { method = 'GET', headers, body } = request
  const path = `${url.pathname}${url.search}`
  const sent = httpRequest({
    method,
    path: plainProxy ? `${url.origin}${path}` : path,
    headers: {
      host: url.host,
      'accept-encoding': 'identity',
      ...(plainProxy && proxyAuthorization(plainProxy)),
      ...headers,
    },
    createConnection: () => socket,
  })
  return await answerOf(sent, body, maxBytes)
}

function answerOf(
  sent: ClientRequest,
  body: string | Uint8Array | undefined,
  maxBytes: number,
): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    sent.once('error', reject)
    sent.once('response', (answer) => {
      readBody(answer, maxBytes).then((read) => {
        const { statusCode: status = 0, headers } = answer
        resolve({ status, statusLine: statusLineOf(answer), headers, body: read })
      }, reject)
    })
    sent.end(body)
  })
}

/** `404 Not Found`. */
export function statusLineOf({ statusCode, statusMessage }: IncomingMessage): string {
  return `${statusCode} ${statusMessage}`.trimEnd()
}

async function readBody(answer: IncomingMessage, maxBytes: number): Promise<Uint8Array> {
  const pieces: Buffer[] = []
  let length = 0
  for await (const piece of answer as AsyncIterable<Buffer>) {
    length += piece.length
    if (length > maxBytes) {
      throw new HttpError('ERR_HTTP_TOO_LARGE', `the answer is longer than ${maxBytes} bytes`)
    }
    pieces.push(piece)
  }
  return Buffer.concat(pieces)
}
