import { CommandError } from '@mini-spire/runtime/cli/usage-error'
import { quoteGo } from '@mini-spire/runtime/go-quote'
import type { Bundle } from '@mini-spire/runtime/proto/spire/api/types/bundle'
import { jwtAuthorityFromSpki, SpiffeBundle } from '@mini-spire/sdk/bundle'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { parseCertificate, parseCertificates, pemEncode } from '@mini-spire/sdk/x509'

/** How a bundle is printed or read. */
export type BundleFormat = 'pem' | 'spiffe'

/** The format of that name, in any case; empty is PEM. @throws {CommandError} */
export function bundleFormat(text: string): BundleFormat {
  const format = text.toLowerCase()
  if (format === '' || format === 'pem') return 'pem'
  if (format === 'spiffe') return 'spiffe'
  throw new CommandError(`invalid format: ${quoteGo(format)}`)
}

/** A bundle as PEM certificates, or as the SPIFFE bundle document indented by four spaces. */
export function formatBundle(bundle: Bundle, format: BundleFormat): string {
  if (format === 'pem') {
    return bundle.x509Authorities
      .flatMap(({ asn1 }) => parseCertificates(asn1))
      .map((certificate) => pemEncode('CERTIFICATE', certificate.raw))
      .join('')
  }
  const spiffeBundle = new SpiffeBundle(TrustDomain.parse(bundle.trustDomain), {
    x509Authorities: bundle.x509Authorities.map(({ asn1 }) => parseCertificate(asn1)),
    jwtAuthorities: bundle.jwtAuthorities.map(({ keyId, publicKey }) =>
      jwtAuthorityFromSpki(keyId, publicKey),
    ),
    ...(bundle.refreshHint > 0n ? { refreshHintSeconds: Number(bundle.refreshHint) } : {}),
    ...(bundle.sequenceNumber > 0n ? { sequenceNumber: bundle.sequenceNumber } : {}),
  })
  return `${JSON.stringify(JSON.parse(spiffeBundle.marshal()), undefined, 4)}\n`
}
