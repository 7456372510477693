import type { TrustDomain } from '../spiffe-id/index.ts'
import {
  type Certificate,
  parseCertificate,
  parseCertificates,
  pemDecode,
  pemEncode,
} from '../x509/index.ts'
import { BundleError } from './bundle-error.ts'
import type { X509BundleSource } from './bundle-source.ts'

/** The roots of one trust domain: what its X509-SVIDs lead to. A value: it never changes. */
export class X509Bundle implements X509BundleSource {
  readonly trustDomain: TrustDomain
  /** Each once, in the order given. */
  readonly authorities: readonly Certificate[]

  constructor(trustDomain: TrustDomain, authorities: readonly Certificate[]) {
    this.trustDomain = trustDomain
    this.authorities = withoutRepeats(authorities)
  }

  /**
   * Reads certificates that stand one after the other, DER, as the Workload API carries them. None at all is a bundle that
   * trusts nothing.
   *
   * @throws {X509Error} `ERR_DER_MALFORMED`, `ERR_CERTIFICATE_MALFORMED`
   */
  static parseDer(trustDomain: TrustDomain, concatenated: Uint8Array): X509Bundle {
    return new X509Bundle(trustDomain, parseCertificates(concatenated))
  }

  /**
   * Reads the CERTIFICATE blocks of a PEM text.
   *
   * @throws {X509Error} as the parsers; {@link BundleError} `ERR_BUNDLE_MALFORMED` when there is no such block
   */
  static parsePem(trustDomain: TrustDomain, text: string): X509Bundle {
    const blocks = pemDecode(text, 'CERTIFICATE')
    if (blocks.length === 0) throw new BundleError('ERR_BUNDLE_MALFORMED', 'no PEM blocks found')
    return new X509Bundle(trustDomain, blocks.map(parseCertificate))
  }

  /** The certificates one after the other, DER. */
  marshalDer(): Uint8Array {
    return Buffer.concat(this.authorities.map((one) => one.raw))
  }

  /** The certificates as PEM blocks. */
  marshalPem(): string {
    return this.authorities.map((one) => pemEncode('CERTIFICATE', one.raw)).join('')
  }

  /** This bundle, if it is the trust domain's: a bundle by itself is a source of one. */
  findX509Bundle(trustDomain: TrustDomain): X509Bundle | undefined {
    return this.trustDomain.equals(trustDomain) ? this : undefined
  }

  /** Whether the other has the same roots, in whatever order. */
  equals(other: X509Bundle): boolean {
    return (
      this.trustDomain.equals(other.trustDomain) &&
      this.authorities.length === other.authorities.length &&
      this.authorities.every((one) => other.authorities.some((its) => its.equals(one)))
    )
  }
}

function withoutRepeats(certificates: readonly Certificate[]): readonly Certificate[] {
  const byContent = new Map<string, Certificate>()
  for (const one of certificates) {
    const content = Buffer.from(one.raw).toString('latin1')
    if (!byContent.has(content)) byContent.set(content, one)
  }
  return [...byContent.values()]
}
