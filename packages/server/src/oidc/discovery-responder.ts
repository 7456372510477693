import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { posix } from 'node:path'
import { answerPlainly, pathOf } from '@mini-spire/runtime/https/plain-answer'
import { serveContent } from '@mini-spire/runtime/https/serve-content'
import type { Logger } from '@mini-spire/runtime/log/logger'
import {
  type DiscoveryUrls,
  discoveryDocument,
  keysPath,
  wellKnownPath,
} from './discovery-document.ts'
import { keySetDocument } from './key-set-document.ts'
import type { KeySet } from './published-keys.ts'

/** What is wrong with a request. */
export interface Refusal {
  readonly problem: string
  /** Follows the status. @default 'Bad Request' */
  readonly reason?: string
}

/** Options of {@link discoveryResponder}. */
export interface DiscoveryResponderOptions {
  /** The path that both documents' paths follow; empty for none. */
  readonly pathPrefix: string
  /** The URLs that the client is told, by the host it asked for, or what is wrong with it. */
  readonly urlsFor: (request: IncomingMessage) => DiscoveryUrls | Refusal
  /** What is wrong with asking for the keys. @default nothing ever */
  readonly keysRefusal?: (request: IncomingMessage) => Refusal | undefined
  /** Undefined while it is not known. */
  readonly keySet: () => KeySet | undefined
  readonly setsKeyUse: boolean
  readonly log: Logger
}

const uncached: Readonly<Record<string, string>> = {
  'cache-control': 'no-cache, no-store, must-revalidate',
  pragma: 'no-cache',
  expires: '0',
}

/** Answers GET requests for the discovery document and the key set as SPIRE's `oidc-discovery-provider` does. */
export function discoveryResponder(options: DiscoveryResponderOptions): RequestListener {
  const { pathPrefix } = options
  const serveKeys = keysResponder(options)
  const answers: Readonly<Record<string, RequestListener>> = {
    [cleaned(`${pathPrefix}${wellKnownPath}`)]: (request, response) =>
      serveDiscovery(options, request, response),
    [cleaned(`${pathPrefix}${keysPath}`)]: serveKeys,
  }
  return (request, response) => {
    const path = pathOf(request)
    const answer = answers[path]
    if (answer && request.method === 'GET') return answer(request, response)
    if (answer) return refuse(response, 405, { problem: 'method not allowed' })
    const clean = cleaned(path)
    if (clean in answers) return redirect(request, response, clean)
    refuse(response, 404, { problem: '404 page not found' })
  }
}

function serveDiscovery(
  { urlsFor }: DiscoveryResponderOptions,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const urls = urlsFor(request)
  if ('problem' in urls) {
    refuse(response, 400, urls)
    return
  }
  const body = Buffer.from(discoveryDocument(urls))
  response
    .writeHead(200, { 'content-type': 'application/json', 'content-length': body.length })
    .end(body)
}

function keysResponder(options: DiscoveryResponderOptions): RequestListener {
  let known: { readonly of: KeySet; readonly body: Buffer } | undefined
  return (request, response) => {
    const refusal = options.keysRefusal?.(request)
    if (refusal) return refuse(response, 400, refusal)
    const keySet = options.keySet()
    if (!keySet) return refuse(response, 500, { problem: 'document not available' })
    if (keySet.keys.length === 0) {
      return refuse(response, 501, { problem: 'jwt not supported/enabled in this service' })
    }
    // Written once for all who ask.
    if (known?.of !== keySet) {
      known = { of: keySet, body: Buffer.from(keySetDocument(keySet.keys, options)) }
    }
    const { body } = known
    const type = 'application/json'
    serveContent(request, response, {
      body,
      type,
      modifiedAt: keySet.modifiedAt,
      headers: uncached,
    })
  }
}

/** Leads a client that doubled a slash to where it wanted to go: an issuer that ends in one makes many do that. */
function redirect(request: IncomingMessage, response: ServerResponse, path: string): void {
  const query = /\?[^#]*/.exec(request.url ?? '')?.[0] ?? ''
  const location = `${path}${query}`.replaceAll(
    /[^\x21\x23-\x3b\x3d\x3f-\x7e]/g,
    encodeURIComponent,
  )
  if (request.method !== 'GET')
    return void response.writeHead(307, { location, 'content-length': 0 }).end()
  const link = location.replaceAll('&', '&amp;').replaceAll("'", '&#39;')
  const body = `<a href="${link}">Temporary Redirect</a>.\n\n`
  const type = 'text/html; charset=utf-8'
  response
    .writeHead(307, { location, 'content-type': type, 'content-length': Buffer.byteLength(body) })
    .end(body)
}

function refuse(response: ServerResponse, status: number, { problem, reason }: Refusal): void {
  answerPlainly(response, { status, text: problem, ...(reason !== undefined && { reason }) })
}

function cleaned(path: string): string {
  return posix.normalize(`/${path}`)
}
