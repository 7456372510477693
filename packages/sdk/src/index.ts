export { type ErrorKind, isSpiffeError, SpiffeError } from './errors.ts'
export * from './spiffe-id/index.ts'
