import { type ErrorKind, SpiffeError } from '@mini-spire/sdk/errors'

export type SshErrorCode = 'ERR_SSH_MALFORMED' | 'ERR_SSH_UNSUPPORTED' | 'ERR_SSH_REFUSED'

const kinds: Record<SshErrorCode, ErrorKind> = {
  ERR_SSH_MALFORMED: 'invalid-argument',
  ERR_SSH_UNSUPPORTED: 'invalid-argument',
  ERR_SSH_REFUSED: 'permission-denied',
}

/** An SSH key, certificate or signature that is not accepted. The message begins with `ssh: `. */
export class SshError extends SpiffeError<SshErrorCode> {
  override get kind(): ErrorKind {
    return kinds[this.code]
  }

  constructor(code: SshErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(code, `ssh: ${message}`, options)
  }
}
