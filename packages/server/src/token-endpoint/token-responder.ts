import { randomUUID } from 'node:crypto'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { plainAddress } from '@mini-spire/runtime/client-address'
import type { Clock } from '@mini-spire/runtime/clock'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { isSpiffeError, messageOf } from '@mini-spire/sdk/errors'
import { GrpcStatus, grpcStatusFromKind } from '@mini-spire/sdk/grpc-status'
import { type AuditStatus, GatheredAudit } from '../audit/audit-event.ts'
import { writeAudit } from '../audit/audit-log.ts'
import type { TokenExchange } from '../exchange/exchange-token.ts'
import { oauthRefusal } from './oauth-refusal.ts'
import { readForm } from './read-form.ts'
import { defaultExchangeLimits, type ExchangeLimits, RequestLimits } from './request-limits.ts'
import { readTokenRequest } from './token-request.ts'
import { TokenRequestError } from './token-request-error.ts'
import { sendJson, sendRefusal, tokenResponse } from './token-response.ts'

/** Where tokens are exchanged, below the endpoint's address. */
export const tokenPath = '/token'

/** How one request ended. */
export interface ExchangeOutcome {
  /** The issuer that the token says it is of, if an operator has named it. */
  readonly issuer: string
  readonly durationMs: number
  /** gRPC status number; 0 is OK. */
  readonly code: number
}

/** Options of {@link tokenResponder}. */
export interface TokenResponderOptions {
  readonly exchange: Pick<TokenExchange, 'exchange'>
  /** Roots of the own trust domain, DER. */
  readonly roots: () => readonly Uint8Array[]
  readonly isAuditEnabled: boolean
  readonly limits?: Partial<ExchangeLimits>
  /** Counts every request that was let in, and those that were not as `ResourceExhausted`. */
  readonly onFinished: (outcome: ExchangeOutcome) => void
  readonly clock: Clock
  readonly log: Logger
}

interface Call {
  readonly requestId: string
  readonly startedMs: number
  readonly row: GatheredAudit
  readonly log: Logger
  issuer: string
}

/**
 * Answers requests for an exchange of tokens [RFC 8693]: POST of a form to `/token`, and nothing else. Who asks need not be known: the
 * token in the form is the proof. Every request that is read has an audit line, whatever came of it; neither it nor any other line
 * has the token.
 */
export function tokenResponder(options: TokenResponderOptions): RequestListener {
  const { clock } = options
  const limits = new RequestLimits({
    limits: { ...defaultExchangeLimits, ...options.limits },
    clock,
  })
  return (request, response) => {
    const leave = limits.enter(request.socket.remoteAddress ?? '')
    if (!leave) return refuseBusy(response, options)
    // Failures have been answered inside; a connection that broke has nobody to answer.
    void answer(request, response, options).finally(leave)
  }
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: TokenResponderOptions,
): Promise<void> {
  const call = beginCall(request, options)
  try {
    checkTarget(request)
    const { issuedTokenType, ...wanted } = readTokenRequest(await readForm(request))
    const { requestId, row: audit } = call
    const onIssuer = (name: string): void => {
      call.issuer = name
    }
    const svid = await options.exchange.exchange(wanted, { requestId, audit, onIssuer })
    const nowSeconds = options.clock.nowMs() / 1000
    const body = tokenResponse(svid, { issuedTokenType, nowSeconds, roots: options.roots() })
    finish(call, options, { code: GrpcStatus.OK, message: '' })
    call.log.info('Token exchanged', { ...call.row.fields, requested: svid.kind })
    sendJson(response, body)
  } catch (error) {
    refuse(response, { call, options, error })
  }
}

function refuse(
  response: ServerResponse,
  { call, options, error }: { call: Call; options: TokenResponderOptions; error: unknown },
): void {
  const code = isSpiffeError(error) ? grpcStatusFromKind(error.kind) : GrpcStatus.Internal
  const refusal = oauthRefusal(error)
  // What is not a refusal of ours may say anything: the log has it, the audit line and the client do not.
  const message = isSpiffeError(error) ? error.message : refusal.description
  finish(call, options, { code, message })
  call.log.warn('Failed to exchange token', { ...call.row.fields, error: messageOf(error) })
  if (response.headersSent || response.destroyed) return
  sendRefusal(response, refusal, refusal.status === 405 ? { allow: 'POST' } : {})
}

function beginCall(request: IncomingMessage, options: TokenResponderOptions): Call {
  const requestId = randomUUID()
  const { remoteAddress = '', remotePort } = request.socket
  const address = plainAddress(remoteAddress)
  const host = address.includes(':') ? `[${address}]` : address
  return {
    requestId,
    startedMs: options.clock.nowMs(),
    row: new GatheredAudit(),
    log: options.log.with({
      method: 'ExchangeToken',
      service: 'TokenExchange',
      caller_addr: `${host}:${remotePort}`,
      request_id: requestId,
    }),
    issuer: '',
  }
}

/** Counts a request, and writes its audit line. */
function finish(call: Call, options: TokenResponderOptions, status: AuditStatus): void {
  const { clock, isAuditEnabled, onFinished } = options
  const durationMs = clock.nowMs() - call.startedMs
  onFinished({ issuer: call.issuer, durationMs, code: status.code })
  if (isAuditEnabled) writeAudit(call.log, call.row, status)
}

/** @throws {TokenRequestError} for what is not a POST to the one path; also with a query, which others would write down */
function checkTarget({ method, url = '' }: IncomingMessage): void {
  if (method !== 'POST') {
    throw new TokenRequestError('ERR_TOKEN_REQUEST_METHOD', 'only POST is taken')
  }
  if (url.includes('?')) {
    const message = 'parameters are taken in the body only'
    throw new TokenRequestError('ERR_TOKEN_REQUEST_MALFORMED', message)
  }
  if (url !== tokenPath) {
    throw new TokenRequestError(
      'ERR_TOKEN_REQUEST_NOT_FOUND',
      `tokens are exchanged at ${tokenPath}`,
    )
  }
}

/** Nothing of the request is read, and nothing written down but the count: whoever asks too often must not fill the log. */
function refuseBusy(response: ServerResponse, { onFinished, log }: TokenResponderOptions): void {
  onFinished({ issuer: '', durationMs: 0, code: GrpcStatus.ResourceExhausted })
  log.debug('Too many requests to exchange tokens')
  sendRefusal(
    response,
    { status: 429, error: 'temporarily_unavailable', description: 'too many requests' },
    { 'retry-after': '10', connection: 'close' },
  )
}
