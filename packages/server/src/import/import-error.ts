import { type ErrorKind, SpiffeError } from '@mini-spire/sdk/errors'

export type ImportErrorCode =
  | 'ERR_IMPORT_SOURCE_UNSUPPORTED'
  | 'ERR_IMPORT_SOURCE_UNREADABLE'
  | 'ERR_IMPORT_SOURCE_IN_USE'
  | 'ERR_IMPORT_SOURCE_VERSION'
  | 'ERR_IMPORT_TRUST_DOMAIN'
  | 'ERR_IMPORT_RECORD_MALFORMED'
  | 'ERR_IMPORT_INCOMPLETE'
  | 'ERR_IMPORT_NEEDED'

const kinds: Record<ImportErrorCode, ErrorKind> = {
  ERR_IMPORT_SOURCE_UNSUPPORTED: 'unimplemented',
  ERR_IMPORT_SOURCE_UNREADABLE: 'failed-precondition',
  ERR_IMPORT_SOURCE_IN_USE: 'failed-precondition',
  ERR_IMPORT_SOURCE_VERSION: 'failed-precondition',
  ERR_IMPORT_TRUST_DOMAIN: 'failed-precondition',
  ERR_IMPORT_RECORD_MALFORMED: 'invalid-argument',
  ERR_IMPORT_INCOMPLETE: 'failed-precondition',
  ERR_IMPORT_NEEDED: 'failed-precondition',
}

/** A SPIRE server's data that cannot be taken over, or that has to be before this server may run. */
export class ImportError extends SpiffeError<ImportErrorCode> {
  override get kind(): ErrorKind {
    return kinds[this.code]
  }
}
