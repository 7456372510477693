import type { IdentityPoolClient } from 'google-auth-library'
import { checkOption, loadPackage, parseEndpoint } from '../exchange/index.ts'
import type { GoogleSubjectTokens } from './google-subject-tokens.ts'

/** Options of {@link createIdentityPoolClient}. */
export interface IdentityPoolClientOptions {
  readonly tokens: GoogleSubjectTokens
  /** A service account to act as, by its address. @default the workload itself */
  readonly serviceAccount?: string | undefined
  /** @default the library's: https://www.googleapis.com/auth/cloud-platform */
  readonly scopes?: readonly string[] | undefined
  /** @default https://sts.googleapis.com/v1/token */
  readonly tokenUrl?: string | undefined
  /** Where service accounts are acted as. @default https://iamcredentials.googleapis.com */
  readonly iamCredentialsUrl?: string | undefined
}

const serviceAccountPattern = /^[a-z0-9][a-z0-9.-]*@[a-z0-9.-]+\.gserviceaccount\.com$/

/**
 * A client of google-auth-library that has access tokens for a JWT-SVID: give it as `authClient` to Google's libraries.
 *
 * The requests are google-auth-library's own: proxies, roots, time limits and renewal of access tokens are its business.
 *
 * @throws {ExchangeError} `ERR_EXCHANGE_PACKAGE_MISSING` without google-auth-library, `ERR_EXCHANGE_OPTION`
 * @example
 * const storage = new Storage({ authClient: await createIdentityPoolClient({ tokens }) })
 */
export async function createIdentityPoolClient(
  options: IdentityPoolClientOptions,
): Promise<IdentityPoolClient> {
  const { tokens, serviceAccount, scopes } = options
  const tokenUrl = options.tokenUrl ?? 'https://sts.googleapis.com/v1/token'
  const impersonated = serviceAccount === undefined ? undefined : impersonationUrl(options)
  const { IdentityPoolClient } = await loadPackage(
    'google-auth-library',
    () => import('google-auth-library'),
  )
  return new IdentityPoolClient({
    type: 'external_account',
    audience: tokens.provider,
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    token_url: parseEndpoint(tokenUrl, 'tokenUrl').href,
    subject_token_supplier: tokens,
    ...(impersonated !== undefined && { service_account_impersonation_url: impersonated }),
    ...(scopes && { scopes: [...scopes] }),
  })
}

function impersonationUrl({
  serviceAccount = '',
  iamCredentialsUrl,
}: IdentityPoolClientOptions): string {
  checkOption('serviceAccount', serviceAccount, serviceAccountPattern)
  const base = iamCredentialsUrl ?? 'https://iamcredentials.googleapis.com'
  const path = `/v1/projects/-/serviceAccounts/${serviceAccount}:generateAccessToken`
  return new URL(path, parseEndpoint(base, 'iamCredentialsUrl')).href
}
