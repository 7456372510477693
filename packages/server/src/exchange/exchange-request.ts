import type { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import type { CallAudit } from '../audit/audit-event.ts'

/** What somebody wants for a token. */
export type WantedSvid =
  | { readonly kind: 'jwt-svid'; readonly audience: readonly string[] }
  /** For the key of this signing request, PKCS#10 DER. */
  | { readonly kind: 'x509-svid'; readonly csr: Uint8Array }

/** A token, and what is wanted for it. */
export interface ExchangeRequest {
  readonly subjectToken: string
  readonly wanted: WantedSvid
  /** Undefined: the one identity that the token stands for. */
  readonly spiffeId: SpiffeId | undefined
}

/** What one exchange knows of its call. */
export interface ExchangeContext {
  readonly requestId: string
  /** Told what is known of the token and what it stands for, whatever comes of it. */
  readonly audit: Pick<CallAudit, 'addFields'>
  /** Told which issuer the token says it is of. */
  readonly onIssuer?: (name: string) => void
}

/** What was given for a token. */
export type ExchangedSvid =
  | {
      readonly kind: 'jwt-svid'
      readonly spiffeId: SpiffeId
      readonly token: string
      readonly expiresAtSeconds: number
    }
  | {
      readonly kind: 'x509-svid'
      readonly spiffeId: SpiffeId
      /** DER, leaf first. */
      readonly chain: readonly Uint8Array[]
      readonly expiresAtSeconds: number
    }

/** What a policy is asked before a token is exchanged; its fields are those that a policy reads. */
export interface ExchangeQuestion {
  readonly issuer: string
  readonly spiffeId: string
  readonly entryId: string
  readonly requested: WantedSvid['kind']
  readonly audience: readonly string[]
}
