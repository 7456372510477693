import { type ErrorKind, SpiffeError } from '@mini-spire/sdk/errors'

/** Arguments that no command understands. Its help is printed after the message. */
export class UsageError extends SpiffeError<'ERR_USAGE'> {
  constructor(message: string) {
    super('ERR_USAGE', message)
  }

  override get kind(): ErrorKind {
    return 'invalid-argument'
  }
}

/** `-h` where dispatch does not look for it, such as `-h=1`: the help is printed without a message before it. */
export class HelpRequest extends UsageError {
  constructor() {
    super('flag: help requested')
  }
}

/** Input of a command that is refused before anything is asked of a daemon; the message is what is printed. */
export class CommandError extends SpiffeError<'ERR_COMMAND'> {
  constructor(message: string, options?: { readonly cause?: unknown }) {
    super('ERR_COMMAND', message, options)
  }

  override get kind(): ErrorKind {
    return 'invalid-argument'
  }
}
