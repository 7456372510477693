import type { Clock } from '@mini-spire/runtime/clock'
import type { HttpClient } from '@mini-spire/runtime/http/http-client'
import { type KeptCertificate, openWebCertificate } from '@mini-spire/runtime/https/web-certificate'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { type ShownSvid, SvidCertificate } from '../bundle-endpoint/svid-certificate.ts'
import type { BundleEndpointProfile } from '../config/bundle-endpoint-config.ts'

/** What {@link keepCertificate} needs. */
export interface KeepCertificateOptions {
  readonly profile: BundleEndpointProfile
  /** The server's own X509-SVID as it is now. */
  readonly svid: () => ShownSvid
  /** How a certificate authority is spoken to. */
  readonly http: Pick<HttpClient, 'request'>
  /** What the server calls itself there. */
  readonly version: string
  /** A number from 0 up to 1, anew at each call. */
  readonly chance: () => number
  readonly clock: Clock
  readonly log: Logger
  /** `subsystem_name` of the lines about a certificate authority. */
  readonly acmeSubsystem: string
}

/**
 * Gets the certificate that an HTTPS endpoint of the server shows, by the profile that is configured for it: the server's own SVID, or
 * one that browsers would trust.
 *
 * @throws {HttpsError} for certificate files that cannot be used
 */
export async function keepCertificate(options: KeepCertificateOptions): Promise<KeptCertificate> {
  const { profile, svid, version, log, acmeSubsystem } = options
  if (profile.kind === 'https_spiffe') {
    return { certificate: new SvidCertificate(svid), run: () => Promise.resolve() }
  }
  return await openWebCertificate(profile, {
    ...options,
    userAgent: `SPIRE-${version}`,
    acmeLog: log.with({ subsystem_name: acmeSubsystem }),
  })
}
