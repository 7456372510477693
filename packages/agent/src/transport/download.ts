import type { HttpClient } from '@mini-spire/runtime/http/http-client'
import { messageOf } from '@mini-spire/sdk/errors'
import type { BootstrapAccess } from '../node-attestation/bootstrap.ts'
import { NodeAttestationError } from '../node-attestation/node-attestation-error.ts'

/**
 * Makes what gets documents for the bootstrap: over HTTPS, or as plain HTTP over a Unix socket. Redirects are not followed.
 *
 * What it returns throws {@link NodeAttestationError} `ERR_BOOTSTRAP_BUNDLE`.
 */
export function createDownload(http: Pick<HttpClient, 'request'>): BootstrapAccess['download'] {
  return async (url, { unixSocket, signal }) => {
    const answer = await http
      .request({ url, signal, ...(unixSocket !== undefined && { unixSocket }) })
      .catch((cause: unknown) => {
        throw failed(`unable to fetch trust bundle URL ${url}: ${messageOf(cause)}`, cause)
      })
    if (answer.status !== 200) throw failed(`error downloading trust bundle: ${answer.statusLine}`)
    return Buffer.from(answer.body).toString('utf8')
  }
}

function failed(message: string, cause?: unknown): NodeAttestationError {
  return new NodeAttestationError('ERR_BOOTSTRAP_BUNDLE', message, { cause })
}
