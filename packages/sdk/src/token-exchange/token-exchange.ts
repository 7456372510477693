import { type Clock, systemClock } from '../clock.ts'
import {
  fetchSubjectToken,
  parseEndpoint,
  type ReachOptions,
  type RenewalOptions,
  RenewedCredential,
  type SubjectOptions,
  type WaitOptions,
} from '../exchange/index.ts'
import { type ExchangedToken, exchangeToken, type TokenRequest } from './exchange-token.ts'

/** Options of {@link TokenExchange}. */
export interface TokenExchangeOptions
  extends SubjectOptions,
    TokenRequest,
    RenewalOptions,
    ReachOptions {
  /** The audience that the server expects in the JWT-SVID. @default the URL of the token endpoint */
  readonly subjectAudience?: string | undefined
}

type LastingToken = ExchangedToken & { readonly expiresAt: Date }

/**
 * A token of another authorization server for a JWT-SVID, by RFC 8693, renewed ahead of its end. A token whose end the server
 * does not say is taken to end with the JWT-SVID it was given for.
 *
 * @example
 * await using svids = await JwtSource.create()
 * using exchange = new TokenExchange({ svids, url: 'https://login.example.com/token', audience: ['api'] })
 * const { token } = await exchange.getToken()
 */
export class TokenExchange implements Disposable {
  readonly #options: TokenExchangeOptions
  readonly #clock: Clock
  readonly #held: RenewedCredential<LastingToken>

  /** @throws {ExchangeError} `ERR_EXCHANGE_OPTION` */
  constructor(options: TokenExchangeOptions) {
    parseEndpoint(options.url, 'url')
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#held = new RenewedCredential(({ signal }) => this.#exchange(signal), options)
  }

  /** @throws {ExchangeError} when the server gives none and that of before has ended */
  async getToken(options?: WaitOptions): Promise<ExchangedToken & { readonly expiresAt: Date }> {
    return await this.#held.get(options)
  }

  close(): void {
    this.#held.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  async #exchange(signal: AbortSignal): Promise<LastingToken> {
    const { url, subjectAudience = url } = this.#options
    const clock = this.#clock
    const svid = await fetchSubjectToken(this.#options, subjectAudience, { signal, clock })
    const got = await exchangeToken({ ...this.#options, subjectToken: svid.token, signal })
    const lasting = { ...got, expiresAt: got.expiresAt ?? svid.expiresAt }
    return Object.defineProperty(lasting, 'token', { value: got.token }) as LastingToken
  }
}
