import {
  badOption,
  checkOption,
  type RenewalOptions,
  type RenewedCredential,
  type SubjectOptions,
  subjectTokens,
  type WaitOptions,
} from '../exchange/index.ts'
import type { JwtSvid } from '../jwt-svid/index.ts'

/** Options of {@link GoogleSubjectTokens}. */
export interface GoogleSubjectTokensOptions extends SubjectOptions, RenewalOptions {
  /** `//iam.googleapis.com/projects/<number>/locations/global/workloadIdentityPools/<pool>/providers/<provider>` */
  readonly provider: string
  /** One of the allowed audiences of the provider. @default `https:` and the provider */
  readonly audience?: string | undefined
}

/** What google-auth-library asks a supplier with. */
export interface GoogleSupplierContext {
  readonly audience: string
  readonly subjectTokenType: string
}

const providerPattern =
  /^\/\/iam\.googleapis\.com\/projects\/\d+\/locations\/global\/workloadIdentityPools\/[a-z0-9-]{4,32}\/providers\/[a-z0-9-]{4,32}$/
const jwtType = 'urn:ietf:params:oauth:token-type:jwt'

/**
 * JWT-SVIDs in the shape that google-auth-library takes as `subject_token_supplier` of an `IdentityPoolClient`.
 *
 * @example
 * await using svids = await JwtSource.create()
 * using tokens = new GoogleSubjectTokens({ svids, provider })
 * const client = await createIdentityPoolClient({ tokens })
 */
export class GoogleSubjectTokens implements Disposable {
  /** The provider that the tokens are for. */
  readonly provider: string
  readonly #held: RenewedCredential<JwtSvid>

  /** @throws {ExchangeError} `ERR_EXCHANGE_OPTION` */
  constructor(options: GoogleSubjectTokensOptions) {
    this.provider = checkOption('provider', options.provider, providerPattern)
    this.#held = subjectTokens(options, options.audience ?? `https:${options.provider}`)
  }

  /**
   * A JWT-SVID for google-auth-library to exchange.
   *
   * @throws {ExchangeError} `ERR_EXCHANGE_OPTION` when the client is for another provider or type of token
   */
  readonly getSubjectToken = async (context: GoogleSupplierContext): Promise<string> => {
    if (context.audience !== this.provider)
      throw badOption('audience', 'the client is for another provider')
    if (context.subjectTokenType !== jwtType)
      throw badOption('subject_token_type', `${jwtType} is expected`)
    return (await this.getJwtSvid()).token
  }

  /** The JWT-SVID of the moment. @throws {ExchangeError} `ERR_EXCHANGE_SUBJECT` */
  async getJwtSvid(options?: WaitOptions): Promise<JwtSvid> {
    return await this.#held.get(options)
  }

  close(): void {
    this.#held.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

/** The JSON that Google's libraries read from a program of an external account [executable-sourced credentials]. */
export function formatGoogleExecutable({ token, expiresAt }: JwtSvid): string {
  return JSON.stringify({
    version: 1,
    success: true,
    token_type: jwtType,
    id_token: token,
    expiration_time: Math.floor(expiresAt.getTime() / 1000),
  })
}
