export { ExchangeError, type ExchangeErrorCode, type JwtSvidSource } from '../exchange/index.ts'
export {
  type ExchangedToken,
  type ExchangeTokenOptions,
  exchangeToken,
  type TokenRequest,
  tokenTypes,
} from './exchange-token.ts'
export { TokenExchange, type TokenExchangeOptions } from './token-exchange.ts'
