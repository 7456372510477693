export type { JwtSvidAlgorithm } from './algorithms.ts'
export { JwtSvidError, type JwtSvidErrorCode } from './jwt-svid-error.ts'
export {
  type JwtSvid,
  type JwtSvidClaims,
  type ParseJwtSvidOptions,
  parseJwtSvidInsecure,
} from './parse.ts'
export { type VerifyJwtSvidOptions, verifyJwtSvid } from './verify.ts'
