import { type ErrorKind, SpiffeError } from '@mini-spire/sdk/errors'

export type ConfigErrorCode =
  | 'ERR_CONFIG_UNREADABLE'
  | 'ERR_CONFIG_SYNTAX'
  | 'ERR_CONFIG_VALUE'
  | 'ERR_CONFIG_UNKNOWN_KEY'
  | 'ERR_CONFIG_UNSUPPORTED'

const kinds: Record<ConfigErrorCode, ErrorKind> = {
  ERR_CONFIG_UNREADABLE: 'not-found',
  ERR_CONFIG_SYNTAX: 'invalid-argument',
  ERR_CONFIG_VALUE: 'invalid-argument',
  ERR_CONFIG_UNKNOWN_KEY: 'invalid-argument',
  ERR_CONFIG_UNSUPPORTED: 'unimplemented',
}

/** A configuration that cannot be read, understood, or followed. The message is what SPIRE prints, where SPIRE prints one. */
export class ConfigError extends SpiffeError<ConfigErrorCode> {
  /** Lines to print below the message: where exactly, and what was meant. */
  readonly details: readonly string[]

  constructor(
    code: ConfigErrorCode,
    message: string,
    options?: { readonly cause?: unknown; readonly details?: readonly string[] },
  ) {
    super(code, message, options)
    this.details = options?.details ?? []
  }

  override get kind(): ErrorKind {
    return kinds[this.code]
  }
}
