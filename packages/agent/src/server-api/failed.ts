import { messageOf, SpiffeError } from '@mini-spire/sdk/errors'
import { ServerApiError } from './server-api-error.ts'

/** What a call failed with, behind what was tried. The cause stays, and with it the server's verdict. */
export function failedTo(what: string): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof SpiffeError)) throw error
    throw new ServerApiError('ERR_SERVER_CALL', `failed to ${what}: ${messageOf(error)}`, {
      cause: error,
    })
  }
}
