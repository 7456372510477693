export { ExchangeError, type ExchangeErrorCode, type JwtSvidSource } from '../exchange/index.ts'
export {
  formatGoogleExecutable,
  GoogleSubjectTokens,
  type GoogleSubjectTokensOptions,
  type GoogleSupplierContext,
} from './google-subject-tokens.ts'
export { createIdentityPoolClient, type IdentityPoolClientOptions } from './identity-pool-client.ts'
