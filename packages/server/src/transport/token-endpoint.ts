import type { Clock } from '@mini-spire/runtime/clock'
import { HttpClient } from '@mini-spire/runtime/http/http-client'
import { HttpsListener } from '@mini-spire/runtime/https/https-listener'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { type Metrics, measureCall } from '@mini-spire/runtime/telemetry/metrics'
import { messageOf } from '@mini-spire/sdk/errors'
import { exchangeMethod } from '../authorization/policy.ts'
import type { PolicyEngine } from '../authorization/policy-engine.ts'
import type { ShownSvid } from '../bundle-endpoint/svid-certificate.ts'
import type { ResolvedServerConfig } from '../config/resolved-config.ts'
import type { TokenExchangeConfig, TokenIssuerConfig } from '../config/token-exchange-config.ts'
import type { ExchangeQuestion } from '../exchange/exchange-request.ts'
import { TokenExchange } from '../exchange/exchange-token.ts'
import { IssuerKeys } from '../exchange/issuer-keys.ts'
import { keyFetcher } from '../exchange/key-source.ts'
import { TokenVerifier, type TrustedIssuer } from '../exchange/verify-token.ts'
import type { Issuer } from '../issuance/issuer.ts'
import type { TrustBundle } from '../model/trust-bundle.ts'
import type { Registry } from '../registry/registry.ts'
import type { Store } from '../store/store.ts'
import { type ExchangeOutcome, tokenResponder } from '../token-endpoint/token-responder.ts'
import { keepCertificate } from './serving-certificate.ts'

/** Options of {@link TokenEndpoint}. */
export interface TokenEndpointOptions {
  readonly config: Pick<
    ResolvedServerConfig,
    'trustDomain' | 'tokenExchange' | 'isAuditLogEnabled' | 'areJwtSvidsDisabled'
  >
  readonly registry: Registry
  readonly store: Pick<Store, 'commit'>
  readonly issuer: Issuer
  readonly policy: PolicyEngine
  /** The own bundle as it is now. */
  readonly bundle: () => TrustBundle | undefined
  /** The server's own X509-SVID as it is now. */
  readonly svid: () => ShownSvid
  /** Says which roots and proxies are used on the way out. */
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly version: string
  readonly metrics: Metrics
  readonly clock: Clock
  readonly log: Logger
  /** A number from 0 up to 1, anew at each call. */
  readonly chance: () => number
}

/** Exchanges tokens of other issuers over HTTPS, if that is configured. */
export class TokenEndpoint implements AsyncDisposable {
  readonly #options: TokenEndpointOptions
  readonly #http: HttpClient
  readonly #keys = new Map<string, IssuerKeys>()
  #listener: HttpsListener | undefined
  #keepCertificate: ((signal: AbortSignal) => Promise<void>) | undefined

  constructor(options: TokenEndpointOptions) {
    this.#options = options
    this.#http = new HttpClient({ environment: options.environment, clock: options.clock })
  }

  /** Why keys of issuers cannot be had, by the issuer's name; undefined when no tokens are exchanged. */
  get keyFailures(): ReadonlyMap<string, string> | undefined {
    if (!this.#options.config.tokenExchange) return undefined
    const failures = [...this.#keys].map(([name, { failure }]) => [name, failure] as const)
    return new Map(failures.filter((pair): pair is [string, string] => pair[1] !== undefined))
  }

  /**
   * Listens, if that is configured.
   *
   * @throws {ListenError} `ERR_LISTEN_FAILED`, {@link HttpsError} for certificate files that cannot be used
   */
  async listen(): Promise<void> {
    const { config, svid, version, chance, clock } = this.#options
    const { tokenExchange } = config
    if (!tokenExchange) return
    const log = this.#options.log.with({ subsystem_name: 'token_exchange' })
    const { certificate, run } = await keepCertificate({
      profile: tokenExchange.profile,
      svid,
      http: this.#http,
      version,
      chance,
      clock,
      log,
      acmeSubsystem: 'exchange_acme',
    })
    this.#keepCertificate = run
    const { address: host, port } = tokenExchange
    const answer = this.#responder(tokenExchange, log)
    this.#listener = new HttpsListener({ host, port, certificate, answer, clock, log })
    const bound = await this.#listener.listen()
    log.info('Serving token exchange', { addr: `${host ?? ''}:${bound.port}` })
  }

  /** Keeps the certificate fresh until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await this.#keepCertificate?.(signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#listener?.[Symbol.asyncDispose]()
  }

  #responder(tokenExchange: TokenExchangeConfig, log: Logger): ReturnType<typeof tokenResponder> {
    const { config, registry, store, issuer, bundle, clock } = this.#options
    const issuers = tokenExchange.issuers.map((one) => this.#trustedIssuer(one, log))
    const exchange = new TokenExchange({
      trustDomain: config.trustDomain,
      verifier: new TokenVerifier({ issuers, clock }),
      state: { registry, store },
      issuer,
      isAllowed: (question) => this.#isAllowed(question),
      areJwtSvidsDisabled: config.areJwtSvidsDisabled,
      clock,
    })
    return tokenResponder({
      exchange,
      roots: () => bundle()?.x509Authorities.map(({ certificate }) => certificate) ?? [],
      isAuditEnabled: config.isAuditLogEnabled,
      onFinished: (outcome) => this.#count(outcome),
      clock,
      log,
    })
  }

  #trustedIssuer(config: TokenIssuerConfig, log: Logger): TrustedIssuer {
    const { name, url, audiences, maxTokenLifetimeMs, maxTokenAgeMs } = config
    const location =
      config.keys.kind === 'discovery' ? { ...config.keys, issuerUrl: url } : config.keys
    const keys = new IssuerKeys({
      name,
      fetch: keyFetcher(location, this.#http),
      clock: this.#options.clock,
      onFailure: (error) =>
        log.error('Failed to fetch keys of token issuer', {
          token_issuer: name,
          error: messageOf(error),
        }),
    })
    this.#keys.set(name, keys)
    return {
      name,
      url,
      audiences: new Set(audiences),
      maxLifetimeSeconds: maxTokenLifetimeMs / 1000,
      maxAgeSeconds: maxTokenAgeMs === undefined ? undefined : maxTokenAgeMs / 1000,
      rules: config.rules,
      selectorType: config.selectorType,
      selectors: config.selectors,
      keys,
    }
  }

  /** Whoever asks has shown no certificate: the policy has to let anybody in, for what the token stands for. */
  #isAllowed(request: ExchangeQuestion): boolean {
    const grants = this.#options.policy.grantsOf({
      method: exchangeMethod,
      caller: '',
      isLocal: false,
      callerPath: () => '',
      request,
    })
    return grants?.has('any') ?? false
  }

  #count({ issuer, durationMs, code }: ExchangeOutcome): void {
    const key = ['token_exchange']
    measureCall(this.#options.metrics, { key, durationMs, code, labels: { token_issuer: issuer } })
  }
}
