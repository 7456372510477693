import { createHash } from 'node:crypto'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { answerPlainly, pathOf } from '@mini-spire/runtime/https/plain-answer'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { SpiffeBundle } from '@mini-spire/sdk/bundle'
import { messageOf } from '@mini-spire/sdk/errors'
import { spiffeBundleOf } from '../federation/spiffe-bundle.ts'
import type { TrustBundle } from '../model/trust-bundle.ts'

/** Options of {@link bundleResponder}. */
export interface BundleResponderOptions {
  /** The own bundle as it is now. */
  readonly bundle: () => TrustBundle | undefined
  /** What others are told about how often to look; 0: nothing. */
  readonly refreshHintSeconds: number
  readonly log: Logger
}

interface Document {
  readonly bundle: TrustBundle
  readonly body: Buffer
  readonly etag: string
}

/**
 * Answers requests to the bundle endpoint as SPIRE does: the own bundle at `/`, for GET only. A client that shows the entity tag
 * of the bundle it has is told that nothing has changed.
 */
export function bundleResponder(options: BundleResponderOptions): RequestListener {
  const { bundle, refreshHintSeconds, log } = options
  let known: Document | undefined
  return (request, response) => {
    if (request.method !== 'GET')
      return answerPlainly(response, { status: 405, text: '405 method not allowed' })
    if (pathOf(request) !== '/')
      return answerPlainly(response, { status: 404, text: '404 page not found' })
    const current = bundle()
    if (!current) {
      log.error('Unable to retrieve local bundle', { error: 'bundle not found' })
      return answerPlainly(response, { status: 500, text: '500 unable to retrieve local bundle' })
    }
    try {
      if (known?.bundle !== current) known = documentOf(current, refreshHintSeconds)
    } catch (error) {
      log.error('Unable to marshal local bundle', { error: messageOf(error) })
      return answerPlainly(response, { status: 500, text: '500 unable to marshal local bundle' })
    }
    answer(request, response, known)
  }
}

/** The document that the endpoint serves for a bundle, byte for byte as SPIRE lays it out. */
export function bundleDocument(bundle: TrustBundle, refreshHintSeconds: number): string {
  const { trustDomain, x509, jwt, sequenceNumber } = spiffeBundleOf(bundle)
  return new SpiffeBundle(trustDomain, {
    x509Authorities: x509.authorities,
    jwtAuthorities: jwt.authorities,
    sequenceNumber,
    ...(refreshHintSeconds > 0 && { refreshHintSeconds }),
  }).marshal()
}

function documentOf(bundle: TrustBundle, refreshHintSeconds: number): Document {
  const body = Buffer.from(bundleDocument(bundle, refreshHintSeconds))
  const etag = `"${createHash('sha256').update(body).digest('base64url')}"`
  return { bundle, body, etag }
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { body, etag }: Document,
): void {
  response.setHeader('etag', etag)
  if (isKnown(request.headers['if-none-match'], etag)) {
    response.writeHead(304).end()
    return
  }
  response
    .writeHead(200, { 'content-type': 'application/json', 'content-length': body.length })
    .end(body)
}

/** Whether a client has this version already; weak and strong tags count alike for it [RFC 9110 13.1.2]. */
function isKnown(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false
  const tags = header.split(',', 64).map((tag) => tag.trim().replace(/^W\//, ''))
  return tags.includes(etag) || header.trim() === '*'
}
