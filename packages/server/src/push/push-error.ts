import { type ErrorKind, SpiffeError } from '@mini-spire/sdk/errors'

export type PushErrorCode =
  | 'ERR_PUSH_PROTOCOL'
  | 'ERR_PUSH_TOO_OFTEN'
  | 'ERR_PUSH_FULL'
  | 'ERR_PUSH_REPLACED'

const kinds: Record<PushErrorCode, ErrorKind> = {
  ERR_PUSH_PROTOCOL: 'invalid-argument',
  ERR_PUSH_TOO_OFTEN: 'resource-exhausted',
  ERR_PUSH_FULL: 'resource-exhausted',
  ERR_PUSH_REPLACED: 'aborted',
}

/** A reason to end an agent's stream. The agent asks by polling then, and opens another later. */
export class PushError extends SpiffeError<PushErrorCode> {
  override get kind(): ErrorKind {
    return kinds[this.code]
  }
}
