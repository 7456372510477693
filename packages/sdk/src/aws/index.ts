export { ExchangeError, type ExchangeErrorCode, type JwtSvidSource } from '../exchange/index.ts'
export {
  type AwsCredentialProvider,
  type AwsCredentialSource,
  type AwsCredentials,
  formatCredentialProcess,
} from './aws-credentials.ts'
export {
  RolesAnywhereCredentials,
  type RolesAnywhereOptions,
} from './roles-anywhere-credentials.ts'
export { WebIdentityCredentials, type WebIdentityOptions } from './web-identity-credentials.ts'
