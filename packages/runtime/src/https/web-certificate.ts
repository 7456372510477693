import type { Clock } from '../clock.ts'
import type { HttpClient } from '../http/http-client.ts'
import type { Logger } from '../log/logger.ts'
import { AcmeCertificates } from './acme-certificates.ts'
import { FileCertificate } from './file-certificate.ts'
import type { ServingCertificate } from './serving-certificate.ts'

/** Where a certificate of the public web comes from. */
export type WebCertificateConfig =
  | {
      readonly kind: 'https_web'
      readonly acme: {
        readonly directoryUrl: string
        readonly domainNames: readonly string[]
        readonly email: string
        readonly isTosAccepted: boolean
        readonly cacheDirectory: string
      }
    }
  | {
      readonly kind: 'https_web_files'
      readonly certFile: string
      readonly keyFile: string
      readonly syncIntervalMs: number
    }

/** What certificates are got with. */
export interface WebCertificateOptions {
  /** How a certificate authority is spoken to. */
  readonly http: Pick<HttpClient, 'request'>
  /** What this program calls itself there. */
  readonly userAgent: string
  readonly clock: Clock
  readonly log: Logger
  /** Where ACME is logged. */
  readonly acmeLog: Logger
  /** A number from 0 up to 1, anew at each call. */
  readonly chance: () => number
}

/** A certificate, and what keeps it fresh until the signal aborts. */
export interface KeptCertificate {
  readonly certificate: ServingCertificate
  readonly run: (signal: AbortSignal) => Promise<void>
}

/** Opens what a configuration names. @throws {HttpsError} for certificate files that cannot be used */
export async function openWebCertificate(
  config: WebCertificateConfig,
  options: WebCertificateOptions,
): Promise<KeptCertificate> {
  const certificate =
    config.kind === 'https_web'
      ? new AcmeCertificates({ ...options, ...config.acme, log: options.acmeLog })
      : new FileCertificate({ ...options, ...config })
  await certificate.load()
  return { certificate, run: (signal) => certificate.run(signal) }
}
