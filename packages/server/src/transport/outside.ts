import type { PolicyEngine } from '../authorization/policy-engine.ts'
import type { ResolvedServerConfig } from '../config/resolved-config.ts'
import type { Issuer } from '../issuance/issuer.ts'
import { Federation, type FederationOptions } from './federation.ts'
import { TokenEndpoint } from './token-endpoint.ts'

/** Options of {@link Outside}. */
export interface OutsideOptions extends FederationOptions {
  readonly config: ResolvedServerConfig
  readonly issuer: Issuer
  readonly policy: PolicyEngine
}

/** What a server does with those who are neither its agents nor its operators, over HTTPS: federation, exchange of tokens. */
export class Outside implements AsyncDisposable {
  readonly federation: Federation
  readonly exchange: TokenEndpoint

  constructor(options: OutsideOptions) {
    const { bundle, svid } = options
    this.federation = new Federation(options)
    this.exchange = new TokenEndpoint({
      ...options,
      bundle: () => bundle.get(),
      svid: () => svid.current(),
    })
  }

  /** Listens where that is configured. @throws as the endpoints do */
  async listen(): Promise<void> {
    await this.federation.listen()
    await this.exchange.listen()
  }

  /** Follows and serves until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.federation.run(signal), this.exchange.run(signal)])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.exchange[Symbol.asyncDispose]()
    await this.federation[Symbol.asyncDispose]()
  }
}
