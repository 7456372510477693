export {
  ask,
  httpFor,
  type ReachOptions,
  readInstant,
  readLifetime,
  readMember,
  readObject,
  readText,
  unreadable,
} from './ask.ts'
export { badOption, checkOption, parseEndpoint } from './endpoint.ts'
export { ExchangeError, type ExchangeErrorCode } from './exchange-error.ts'
export { loadPackage } from './load-package.ts'
export {
  type Expiring,
  type Renewal,
  type RenewalOptions,
  RenewedCredential,
  type RenewedCredentialOptions,
  type WaitOptions,
} from './renewed-credential.ts'
export { getSubjectSvid } from './subject-svid.ts'
export { fetchSubjectToken, type JwtSvidSource, type SubjectOptions } from './subject-token.ts'
export { subjectTokens } from './subject-tokens.ts'
