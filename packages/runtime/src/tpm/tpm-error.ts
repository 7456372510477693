import { type ErrorKind, SpiffeError } from '@mini-spire/sdk/errors'

export type TpmErrorCode = 'ERR_TPM_MALFORMED' | 'ERR_TPM_UNSUPPORTED' | 'ERR_TPM_REFUSED'

const kinds: Record<TpmErrorCode, ErrorKind> = {
  ERR_TPM_MALFORMED: 'invalid-argument',
  ERR_TPM_UNSUPPORTED: 'invalid-argument',
  ERR_TPM_REFUSED: 'permission-denied',
}

/** A structure of a TPM that cannot be read, is of a kind that is not known here, or does not prove what it should. */
export class TpmError extends SpiffeError<TpmErrorCode> {
  override get kind(): ErrorKind {
    return kinds[this.code]
  }
}
