import type { SigningKey } from '@mini-spire/runtime/key-manager/key-manager'
import { CertificateWriter } from '@mini-spire/runtime/x509/certificate-writer'
import { parseCertificate } from '@mini-spire/sdk/x509'

/** An X.509 authority that can sign: its certificate, what leads from it to the root, its key. */
export interface X509Ca {
  /** Lower-case hex of the subject key identifier. */
  readonly authorityId: string
  /** Lower-case hex of the authority key identifier; empty when self-signed. */
  readonly upstreamAuthorityId: string
  /** DER. */
  readonly certificate: Uint8Array
  /** DER; begins with this authority's own certificate; empty when self-signed. */
  readonly upstreamChain: readonly Uint8Array[]
  readonly notAfterSeconds: number
  /** The earliest end among this authority and everything above it that is known: nothing it signs lives longer. */
  readonly capSeconds: number
  /** Name, DER. */
  readonly subject: Uint8Array
  readonly key: SigningKey
  readonly leafWriter: CertificateWriter
  readonly caWriter: CertificateWriter
}

/** What an {@link X509Ca} is made of. */
export interface X509CaParts {
  readonly certificate: Uint8Array
  readonly upstreamChain: readonly Uint8Array[]
  readonly key: SigningKey
}

/** Makes an authority ready to sign: what all its certificates share is computed once, here. */
export function makeX509Ca({ certificate, upstreamChain, key }: X509CaParts): X509Ca {
  const own = parseCertificate(certificate)
  const notAfterSeconds = secondsOf(own.notAfter)
  const above = upstreamChain.map((der) => secondsOf(parseCertificate(der).notAfter))
  const issuer = { name: own.subjectRaw, keyId: own.subjectKeyId, signer: key }
  return {
    authorityId: hex(own.subjectKeyId),
    upstreamAuthorityId: hex(own.authorityKeyId),
    certificate,
    upstreamChain,
    notAfterSeconds,
    capSeconds: Math.min(notAfterSeconds, ...above),
    subject: own.subjectRaw,
    key,
    leafWriter: new CertificateWriter(issuer, 'leaf'),
    caWriter: new CertificateWriter(issuer, 'ca'),
  }
}

function secondsOf(instant: Date): number {
  return Math.floor(instant.getTime() / 1000)
}

function hex(bytes: Uint8Array | undefined): string {
  return Buffer.from(bytes ?? []).toString('hex')
}
