import { type ErrorKind, SpiffeError } from '@mini-spire/sdk/errors'

export type RegistryErrorCode = 'ERR_PAGE_TOKEN'

/** A question to the registry that cannot be answered as it was asked. */
export class RegistryError extends SpiffeError<RegistryErrorCode> {
  override get kind(): ErrorKind {
    return 'invalid-argument'
  }
}
