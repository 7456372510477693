import type { X509Extension } from '@mini-spire/runtime/x509/extensions'
import { type SerialNumbers, serialNumberText } from '@mini-spire/runtime/x509/serial-number'
import type { PublicKey } from '@mini-spire/sdk/x509'
import { checkNotExpired, validityFrom } from './validity.ts'
import type { X509Ca } from './x509-ca.ts'

/** What {@link signX509Svid} is given; everything in it has been decided and checked. */
export interface X509SvidFields {
  /** The SPIFFE ID, as a string. */
  readonly spiffeId: string
  readonly publicKey: PublicKey
  /** Name, DER. */
  readonly subject: Uint8Array
  readonly dnsNames: readonly string[]
  readonly ttlSeconds: number
  readonly nowMs: number
  readonly serialNumbers: SerialNumbers
  /** Beside the usual ones, or in their place; what comes out has to be checked then. @default none */
  readonly extraExtensions?: readonly X509Extension[]
}

/** An X509-SVID that was signed. */
export interface SignedX509Svid {
  /** DER: the leaf, then the signer's upstream chain; never the root. */
  readonly chain: readonly Uint8Array[]
  /** Decimal. */
  readonly serialNumber: string
  readonly notAfterSeconds: number
}

/**
 * Signs an X509-SVID. There at once when the authority's key signs synchronously.
 *
 * The certificate lives for the TTL, but never longer than anything above it [X509-SVID 3].
 *
 * @throws {CaError} `ERR_CERTIFICATE_INVALID` when the authority is at its end
 */
export function signX509Svid(
  ca: X509Ca,
  fields: X509SvidFields,
): SignedX509Svid | Promise<SignedX509Svid> {
  const { nowMs } = fields
  const serialNumber = fields.serialNumbers.draw()
  const validity = validityFrom(nowMs, fields.ttlSeconds, ca.capSeconds)
  checkNotExpired(validity.notAfterSeconds, nowMs, 'X509-SVID')
  const written = ca.leafWriter.write({
    serialNumber,
    notBeforeSeconds: validity.notBeforeSeconds,
    notAfterSeconds: validity.notAfterSeconds,
    subject: fields.subject,
    publicKey: fields.publicKey,
    uri: fields.spiffeId,
    dnsNames: fields.dnsNames,
    ...(fields.extraExtensions && { extraExtensions: fields.extraExtensions }),
  })
  const signed = (leaf: Uint8Array): SignedX509Svid => ({
    chain: [leaf, ...ca.upstreamChain],
    serialNumber: serialNumberText(serialNumber),
    notAfterSeconds: validity.notAfterSeconds,
  })
  return written instanceof Promise ? written.then(signed) : signed(written)
}
