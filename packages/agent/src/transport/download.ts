import { systemClock } from '@mini-spire/runtime/clock'
import { type HttpAnswer, HttpClient } from '@mini-spire/runtime/http/http-client'
import { messageOf } from '@mini-spire/sdk/errors'
import { NodeAttestationError } from '../node-attestation/node-attestation-error.ts'

/**
 * Gets a document for the bootstrap: over HTTPS, with the roots and proxies of the machine, or as plain HTTP over a Unix
 * socket. Redirects are not followed.
 *
 * @throws {NodeAttestationError} `ERR_BOOTSTRAP_BUNDLE`
 */
export async function download(url: string, unixSocket: string | undefined): Promise<string> {
  const http = new HttpClient({ environment: process.env, clock: systemClock })
  let answer: HttpAnswer
  try {
    answer = await http.request({ url, ...(unixSocket === undefined ? {} : { unixSocket }) })
  } catch (cause) {
    throw failed(`unable to fetch trust bundle URL ${url}: ${messageOf(cause)}`, cause)
  }
  if (answer.status !== 200) {
    throw failed(`error downloading trust bundle: ${answer.statusLine}`)
  }
  return Buffer.from(answer.body).toString('utf8')
}

function failed(message: string, cause?: unknown): NodeAttestationError {
  return new NodeAttestationError('ERR_BOOTSTRAP_BUNDLE', message, { cause })
}
