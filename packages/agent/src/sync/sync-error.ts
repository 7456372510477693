import { type ErrorKind, SpiffeError } from '@mini-spire/sdk/errors'

export type SyncErrorCode =
  | 'ERR_SYNC_FAILED'
  | 'ERR_AGENT_SVID_EXPIRED'
  | 'ERR_SHUTDOWN_TO_REBOOTSTRAP'

const kinds: Record<SyncErrorCode, ErrorKind> = {
  ERR_SYNC_FAILED: 'unavailable',
  ERR_AGENT_SVID_EXPIRED: 'unauthenticated',
  ERR_SHUTDOWN_TO_REBOOTSTRAP: 'unavailable',
}

/** A reason for the agent to stop, or to attest anew. The cause says what the server answered. */
export class SyncError extends SpiffeError<SyncErrorCode> {
  override get kind(): ErrorKind {
    return kinds[this.code]
  }
}
