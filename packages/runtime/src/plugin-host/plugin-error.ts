import { type ErrorKind, SpiffeError } from '@mini-spire/sdk/errors'

export type PluginErrorCode =
  | 'ERR_PLUGIN_LAUNCH'
  | 'ERR_PLUGIN_CHECKSUM'
  | 'ERR_PLUGIN_HANDSHAKE'
  | 'ERR_PLUGIN_STOPPED'
  | 'ERR_PLUGIN_RESPONSE'

const kinds: Record<PluginErrorCode, ErrorKind> = {
  ERR_PLUGIN_LAUNCH: 'failed-precondition',
  ERR_PLUGIN_CHECKSUM: 'failed-precondition',
  ERR_PLUGIN_HANDSHAKE: 'failed-precondition',
  ERR_PLUGIN_STOPPED: 'unavailable',
  ERR_PLUGIN_RESPONSE: 'internal',
}

/** An external plugin that cannot be started, is not running, or answers what its interface does not allow. */
export class PluginError extends SpiffeError<PluginErrorCode> {
  override get kind(): ErrorKind {
    return kinds[this.code]
  }
}

/**
 * What an external plugin refused a call with, its own status and text kept; the message begins with
 * `<type>(<name>): `, as SPIRE's does.
 */
export class PluginCallError extends SpiffeError<'ERR_PLUGIN_CALL'> {
  readonly #kind: ErrorKind

  constructor(kind: ErrorKind, message: string, options?: { readonly cause?: unknown }) {
    super('ERR_PLUGIN_CALL', message, options)
    this.#kind = kind
  }

  override get kind(): ErrorKind {
    return this.#kind
  }
}
