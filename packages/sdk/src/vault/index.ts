export { ExchangeError, type ExchangeErrorCode, type JwtSvidSource } from '../exchange/index.ts'
export {
  type VaultCertAuth,
  type VaultJwtAuth,
  VaultLogin,
  type VaultLoginOptions,
} from './vault-login.ts'
export type { VaultToken } from './vault-token.ts'
