import { existsSync, readFileSync } from 'node:fs'
import { type IncomingMessage, type RequestOptions, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { NodeAttestationError } from '../node-attestation/node-attestation-error.ts'

/** The largest bundle that is taken, and how long it may take. */
const maxBytes = 4 * 1024 * 1024
const timeoutMs = 30_000
const systemRoots = '/etc/ssl/certs/ca-certificates.crt'

/**
 * Gets a document for the bootstrap: over HTTPS, or as plain HTTP over a Unix socket. Redirects are not followed.
 *
 * @throws {NodeAttestationError} `ERR_BOOTSTRAP_BUNDLE`
 */
export function download(url: string, unixSocket: string | undefined): Promise<string> {
  const options: RequestOptions = { signal: AbortSignal.timeout(timeoutMs) }
  const begin = (onResponse: (response: IncomingMessage) => void) =>
    unixSocket === undefined
      ? requestHttps(url, { ...options, ca: trustedRoots() }, onResponse)
      : requestHttp(url, { ...options, socketPath: unixSocket }, onResponse)
  return new Promise((resolve, reject) => {
    const request = begin((response) => {
      readBody(url, response).then(resolve, reject)
    })
    request.once('error', (error) =>
      reject(failed(`unable to fetch trust bundle URL ${url}: ${error.message}`, error)),
    )
    request.end()
  })
}

async function readBody(url: string, response: IncomingMessage): Promise<string> {
  const { statusCode = 0, statusMessage = '' } = response
  if (statusCode !== 200) {
    response.destroy()
    throw failed(`error downloading trust bundle: ${statusCode} ${statusMessage}`)
  }
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > maxBytes) throw failed(`unable to read from trust bundle URL ${url}: too large`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** The system's roots where there are some, as programs in Go use them; Node's own otherwise. */
function trustedRoots(): string | undefined {
  const path = process.env['SSL_CERT_FILE'] || systemRoots
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined
}

function failed(message: string, cause?: unknown): NodeAttestationError {
  return new NodeAttestationError('ERR_BOOTSTRAP_BUNDLE', message, { cause })
}
