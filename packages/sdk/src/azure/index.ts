export { ExchangeError, type ExchangeErrorCode, type JwtSvidSource } from '../exchange/index.ts'
export { AzureAssertions, type AzureAssertionsOptions } from './azure-assertions.ts'
export { type AzureCredentialOptions, createAzureCredential } from './azure-credential.ts'
