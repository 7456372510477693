import {
  type RenewalOptions,
  type RenewedCredential,
  type SubjectOptions,
  subjectTokens,
} from '../exchange/index.ts'
import type { JwtSvid } from '../jwt-svid/index.ts'

/** Options of {@link AzureAssertions}. */
export interface AzureAssertionsOptions extends SubjectOptions, RenewalOptions {
  /** The audience of the federated credential. @default api://AzureADTokenExchange */
  readonly audience?: string | undefined
}

/**
 * JWT-SVIDs in the shape that `ClientAssertionCredential` of @azure/identity takes as `getAssertion`.
 *
 * @example
 * await using svids = await JwtSource.create()
 * using assertions = new AzureAssertions({ svids })
 * const credential = await createAzureCredential({ assertions, tenantId, clientId })
 */
export class AzureAssertions implements Disposable {
  readonly #held: RenewedCredential<JwtSvid>

  constructor(options: AzureAssertionsOptions) {
    this.#held = subjectTokens(options, options.audience ?? 'api://AzureADTokenExchange')
  }

  /** A JWT-SVID for Entra ID. @throws {ExchangeError} `ERR_EXCHANGE_SUBJECT` */
  readonly getAssertion = async (): Promise<string> => (await this.#held.get()).token

  close(): void {
    this.#held.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
