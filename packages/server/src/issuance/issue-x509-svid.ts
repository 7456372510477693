import type { SerialNumbers } from '@mini-spire/runtime/x509/serial-number'
import { isSpiffeError, messageOf } from '@mini-spire/sdk/errors'
import type { SpiffeId, TrustDomain } from '@mini-spire/sdk/spiffe-id'
import type { PublicKey } from '@mini-spire/sdk/x509'
import { CaError } from '../ca/ca-error.ts'
import type { SvidHolder } from '../ca/credential-composers.ts'
import { signComposedX509Svid } from '../ca/sign-composed-svid.ts'
import { type SignedX509Svid, signX509Svid, type X509SvidFields } from '../ca/sign-x509-svid.ts'
import { checkMemberId } from '../registration/check-id.ts'
import { IssuanceError } from './issuance-error.ts'
import type { IssuedX509Svid } from './issued-svid.ts'
import type { IssuerOptions } from './issuer-options.ts'
import { signingFailed } from './signing-failed.ts'

/** Everything an X509-SVID says, decided, and for whom it is. */
export interface DecidedX509Svid {
  readonly type: 'x509-svid' | 'agent-svid'
  readonly holder: SvidHolder
  readonly spiffeId: SpiffeId
  readonly publicKey: PublicKey
  /** Name, DER. */
  readonly subject: Uint8Array
  readonly dnsNames: readonly string[]
  readonly ttlSeconds: number
  readonly entryId: string
  readonly requester: string
}

/** What {@link issueX509Svid} signs and writes down with. */
export type X509Issuing = Pick<
  IssuerOptions,
  'trustDomain' | 'authorities' | 'clock' | 'composers' | 'issuanceLog' | 'onSigned'
> & { readonly serialNumbers: SerialNumbers }

/**
 * Signs an X509-SVID of which everything is decided, and writes down that it was. There at once when the authority's key
 * signs synchronously. Whoever decided it, the ID is one of the own trust domain: node attestors say what they like.
 *
 * @param failure what callers are told before the reason when it cannot be signed
 * @throws {IssuanceError} `ERR_SIGNING_FAILED`
 */
export function issueX509Svid(
  issuing: X509Issuing,
  decided: DecidedX509Svid,
  failure: string,
): IssuedX509Svid | Promise<IssuedX509Svid> {
  const nowMs = issuing.clock.nowMs()
  const { publicKey, subject, dnsNames, ttlSeconds } = decided
  const { serialNumbers } = issuing
  const spiffeId = decided.spiffeId.toString()
  const issued = (signed: SignedX509Svid): IssuedX509Svid => {
    const { chain, serialNumber, notAfterSeconds: expiresAtSeconds } = signed
    issuing.issuanceLog.append({
      type: decided.type,
      identifier: serialNumber,
      spiffeId,
      entryId: decided.entryId,
      requester: decided.requester,
      issuedAtSeconds: Math.floor(nowMs / 1000),
      expiresAtSeconds,
    })
    issuing.onSigned?.('x509_svid')
    return { chain, spiffeId: decided.spiffeId, expiresAtSeconds, serialNumber }
  }
  const refused = (error: unknown): Error => refusal(failure, decided, error)
  try {
    checkId(issuing.trustDomain, decided.spiffeId)
    const what = { spiffeId, publicKey, subject, dnsNames, ttlSeconds, nowMs, serialNumbers }
    const signed = sign(issuing, decided, what)
    if (!(signed instanceof Promise)) return issued(signed)
    return signed.then(issued, (error: unknown) => {
      throw refused(error)
    })
  } catch (error) {
    throw refused(error)
  }
}

function checkId(trustDomain: TrustDomain, spiffeId: SpiffeId): void {
  try {
    checkMemberId(trustDomain, spiffeId)
  } catch (cause) {
    const message = `invalid X509-SVID ID: ${messageOf(cause)}`
    throw new IssuanceError('ERR_SVID_ID_REFUSED', message, { cause })
  }
}

/** What was signed and then found wrong is told of with whose it was. */
function refusal(failure: string, { holder }: DecidedX509Svid, error: unknown): IssuanceError {
  if (!isSpiffeError(error, 'ERR_CERTIFICATE_INVALID')) return signingFailed(failure, error)
  const message = `invalid ${holder} X509-SVID: ${error.message}`
  return signingFailed(failure, new CaError('ERR_CERTIFICATE_INVALID', message, { cause: error }))
}

/** Composers make it asynchronous, so they are asked only if there are any. */
function sign(
  { authorities, composers }: X509Issuing,
  { holder, spiffeId }: DecidedX509Svid,
  fields: X509SvidFields,
): SignedX509Svid | Promise<SignedX509Svid> {
  const ca = authorities.x509()
  if (!composers || composers.isEmpty) return signX509Svid(ca, fields)
  return signComposedX509Svid(ca, fields, { composers, spiffeId, holder })
}
