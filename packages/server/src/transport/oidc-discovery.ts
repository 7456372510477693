import type { RequestListener } from 'node:http'
import type { Clock } from '@mini-spire/runtime/clock'
import type { HttpClient } from '@mini-spire/runtime/http/http-client'
import { HostAllowlist } from '@mini-spire/runtime/https/host-allowlist'
import { HttpListener } from '@mini-spire/runtime/https/http-listener'
import { HttpsListener } from '@mini-spire/runtime/https/https-listener'
import { hostOf } from '@mini-spire/runtime/https/plain-answer'
import { openWebCertificate } from '@mini-spire/runtime/https/web-certificate'
import type { Logger } from '@mini-spire/runtime/log/logger'
import type { OidcDiscoveryConfig } from '../config/resolved-config.ts'
import type { TrustBundle } from '../model/trust-bundle.ts'
import { keysPath } from '../oidc/discovery-document.ts'
import { discoveryResponder, type Refusal } from '../oidc/discovery-responder.ts'
import { PublishedKeys, type TokenKey } from '../oidc/published-keys.ts'
import { tokenKeysOf } from '../oidc/token-keys.ts'

/** Options of {@link OidcDiscovery}. */
export interface OidcDiscoveryOptions {
  readonly config: OidcDiscoveryConfig
  /** The own bundle as it is now. */
  readonly bundle: () => TrustBundle | undefined
  /** How a certificate authority is spoken to. */
  readonly http: Pick<HttpClient, 'request'>
  /** What the server calls itself there. */
  readonly version: string
  /** A number from 0 up to 1, anew at each call. */
  readonly chance: () => number
  readonly clock: Clock
  readonly log: Logger
}

/** Lets relying parties that know nothing of SPIFFE verify our JWT-SVIDs as tokens of an OpenID Connect issuer. */
export class OidcDiscovery implements AsyncDisposable {
  readonly #listener: AsyncDisposable
  readonly #run: (signal: AbortSignal) => Promise<void>

  private constructor(listener: AsyncDisposable, run: (signal: AbortSignal) => Promise<void>) {
    this.#listener = listener
    this.#run = run
  }

  /**
   * Listens.
   *
   * @throws {ListenError} `ERR_LISTEN_FAILED`, {@link HttpsError} for certificate files that cannot be used
   */
  static async listen(options: OidcDiscoveryOptions): Promise<OidcDiscovery> {
    const { config, version, clock, log } = options
    const { listener } = config
    const answer = responder(options)
    if (listener.kind === 'socket') {
      const address = { path: listener.path, mode: 0o777 }
      const http = new HttpListener({ address, answer, clock, log })
      await http.listen()
      log.info('Serving OIDC discovery', { issuer: config.issuer, path: listener.path })
      return new OidcDiscovery(http, () => Promise.resolve())
    }
    const { certificate, run } = await openWebCertificate(listener.certificate, {
      ...options,
      userAgent: `SPIRE-${version}`,
      acmeLog: log.with({ subsystem_name: 'oidc_acme' }),
    })
    const { address: host } = listener
    const https = new HttpsListener({ host, port: listener.port, certificate, answer, clock, log })
    const { port } = await https.listen()
    log.info('Serving OIDC discovery', { issuer: config.issuer, addr: `${host ?? ''}:${port}` })
    return new OidcDiscovery(https, run)
  }

  /** Keeps the certificate fresh until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await this.#run(signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#listener[Symbol.asyncDispose]()
  }
}

function responder(options: OidcDiscoveryOptions): RequestListener {
  const { config, clock } = options
  const { issuer, pathPrefix, setsKeyUse } = config
  const log = options.log.with({ subsystem_name: 'oidc_discovery' })
  const allowlist = new HostAllowlist(config.domains)
  const refusal = (request: Parameters<RequestListener>[0]): Refusal | undefined => {
    const host = hostOf(request)
    if (host === undefined) return { problem: 'malformed Host header' }
    const problem = allowlist.problemOf(host)
    return problem === undefined ? undefined : { problem }
  }
  const published = new PublishedKeys({ keys: keysOf(options.bundle, log), clock, log })
  // Whatever a client asks for, what it is told does not depend on it.
  const urls = { issuer, jwksUri: `${issuer.replace(/\/$/, '')}${keysPath}` }
  return discoveryResponder({
    pathPrefix,
    urlsFor: (request) => refusal(request) ?? urls,
    keysRefusal: refusal,
    keySet: () => published.current(),
    setsKeyUse,
    log,
  })
}

/** The JWT authorities of a bundle; the same list for the same bundle. */
function keysOf(
  bundle: () => TrustBundle | undefined,
  log: Logger,
): () => readonly TokenKey[] | undefined {
  let known: { readonly of: TrustBundle; readonly keys: readonly TokenKey[] } | undefined
  return () => {
    const current = bundle()
    if (current && known?.of !== current) {
      known = { of: current, keys: tokenKeysOf(current.jwtAuthorities, log) }
    }
    return current && known?.keys
  }
}
