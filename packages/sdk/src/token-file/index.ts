export { ExchangeError, type ExchangeErrorCode, type JwtSvidSource } from '../exchange/index.ts'
export { TokenFile, type TokenFileOptions } from './token-file.ts'
