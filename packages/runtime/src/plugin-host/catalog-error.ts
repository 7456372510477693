import { type ErrorKind, SpiffeError } from '@mini-spire/sdk/errors'

export type CatalogErrorCode =
  | 'ERR_PLUGIN_UNKNOWN'
  | 'ERR_PLUGIN_COUNT'
  | 'ERR_PLUGIN_CONFIG'
  | 'ERR_PLUGIN_DATA'
  | 'ERR_PLUGIN_LOAD'

const kinds: Record<CatalogErrorCode, ErrorKind> = {
  ERR_PLUGIN_UNKNOWN: 'unimplemented',
  ERR_PLUGIN_COUNT: 'invalid-argument',
  ERR_PLUGIN_CONFIG: 'invalid-argument',
  ERR_PLUGIN_DATA: 'invalid-argument',
  ERR_PLUGIN_LOAD: 'failed-precondition',
}

/** Plugins that a daemon cannot start with. */
export class CatalogError extends SpiffeError<CatalogErrorCode> {
  override get kind(): ErrorKind {
    return kinds[this.code]
  }
}
