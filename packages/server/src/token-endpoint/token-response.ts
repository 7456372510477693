import type { ServerResponse } from 'node:http'
import { pemEncode } from '@mini-spire/sdk/x509'
import type { ExchangedSvid } from '../exchange/exchange-request.ts'
import type { OAuthRefusal } from './oauth-refusal.ts'
import { type IssuedTokenType, tokenTypes } from './token-request.ts'

const headers = {
  'content-type': 'application/json',
  'cache-control': 'no-store',
  pragma: 'no-cache',
  'x-content-type-options': 'nosniff',
}

/** What an answer says beside the SVID itself. */
export interface TokenResponseOptions {
  readonly issuedTokenType: IssuedTokenType
  readonly nowSeconds: number
  /** Roots of the own trust domain, DER: who gets an X509-SVID needs them to check others'. */
  readonly roots: readonly Uint8Array[]
}

/** The answer to a successful exchange [RFC 8693 2.2.1]. */
export function tokenResponse(svid: ExchangedSvid, options: TokenResponseOptions): object {
  const { issuedTokenType, nowSeconds, roots } = options
  const isX509 = svid.kind === 'x509-svid'
  return {
    access_token: isX509 ? pemOf(svid.chain) : svid.token,
    issued_token_type: issuedTokenType,
    token_type: issuedTokenType === tokenTypes.accessToken ? 'Bearer' : 'N_A',
    expires_in: Math.max(Math.floor(svid.expiresAtSeconds - nowSeconds), 0),
    scope: svid.spiffeId.toString(),
    ...(isX509 && { x509_bundle: pemOf(roots) }),
  }
}

/** Sends an answer that nobody may keep. */
export function sendJson(response: ServerResponse, body: object): void {
  const text = JSON.stringify(body)
  response.writeHead(200, { ...headers, 'content-length': Buffer.byteLength(text) }).end(text)
}

/** Sends a refusal, and reads nothing else from this connection when the request was not read to its end. */
export function sendRefusal(
  response: ServerResponse,
  refusal: OAuthRefusal & { readonly description: string },
  more: Readonly<Record<string, string>> = {},
): void {
  const { status, error, description } = refusal
  const text = JSON.stringify({ error, error_description: printable(description) })
  const isUnread = !response.req.complete
  response
    .writeHead(status, {
      ...headers,
      'content-length': Buffer.byteLength(text),
      ...(isUnread && { connection: 'close' }),
      ...more,
    })
    .end(text)
}

/** The characters that a description may have [RFC 6749 5.2]. */
function printable(text: string): string {
  return text.replaceAll(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/g, "'")
}

function pemOf(certificates: readonly Uint8Array[]): string {
  return certificates.map((der) => pemEncode('CERTIFICATE', der)).join('')
}
