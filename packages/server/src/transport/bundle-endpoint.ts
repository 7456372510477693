import type { Clock } from '@mini-spire/runtime/clock'
import { formatGoDuration } from '@mini-spire/runtime/config/go-duration'
import type { HttpClient } from '@mini-spire/runtime/http/http-client'
import { HttpsListener } from '@mini-spire/runtime/https/https-listener'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { bundleResponder } from '../bundle-endpoint/bundle-responder.ts'
import type { ShownSvid } from '../bundle-endpoint/svid-certificate.ts'
import type { BundleEndpointConfig } from '../config/bundle-endpoint-config.ts'
import type { TrustBundle } from '../model/trust-bundle.ts'
import { keepCertificate } from './serving-certificate.ts'

/** Options of {@link BundleEndpoint}. */
export interface BundleEndpointOptions {
  readonly config: BundleEndpointConfig
  /** The own bundle as it is now. */
  readonly bundle: () => TrustBundle | undefined
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
}

/** Serves the own bundle to other trust domains [SPIFFE Federation 5]. */
export class BundleEndpoint implements AsyncDisposable {
  readonly #listener: HttpsListener
  readonly #run: (signal: AbortSignal) => Promise<void>

  private constructor(listener: HttpsListener, run: (signal: AbortSignal) => Promise<void>) {
    this.#listener = listener
    this.#run = run
  }

  /**
   * Listens.
   *
   * @throws {ListenError} `ERR_LISTEN_FAILED`, {@link HttpsError} for certificate files that cannot be used
   */
  static async listen(
    options: BundleEndpointOptions,
  ): Promise<BundleEndpoint & { readonly port: number }> {
    const { config, bundle, clock, log } = options
    const { certificate, run } = await keepCertificate({
      ...options,
      profile: config.profile,
      acmeSubsystem: 'bundle_acme',
    })
    const refreshHintSeconds = Math.trunc(config.refreshHintMs / 1000)
    const listener = new HttpsListener({
      host: config.address,
      port: config.port,
      certificate,
      answer: bundleResponder({
        bundle,
        refreshHintSeconds,
        log: log.with({ subsystem_name: 'bundle_endpoint' }),
      }),
      clock,
      log,
    })
    const { port } = await listener.listen()
    log.info('Serving bundle endpoint', {
      addr: `${config.address ?? ''}:${port}`,
      refresh_hint: formatGoDuration(BigInt(config.refreshHintMs) * 1_000_000n),
    })
    return Object.assign(new BundleEndpoint(listener, run), { port })
  }

  /** Keeps the certificate fresh until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await this.#run(signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#listener[Symbol.asyncDispose]()
  }
}
