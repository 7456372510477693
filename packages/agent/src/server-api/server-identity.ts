import { X509Bundle } from '@mini-spire/sdk/bundle'
import { isSpiffeError } from '@mini-spire/sdk/errors'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { parseCertificate } from '@mini-spire/sdk/x509'
import { verifyX509Svid } from '@mini-spire/sdk/x509-svid'
import { ServerApiError } from './server-api-error.ts'

/** What a server's chain is checked with. */
export interface ServerTrust {
  readonly trustDomain: TrustDomain
  /** Root certificates (DER) of the own trust domain; undefined: only the name is looked at (insecure bootstrap). */
  readonly roots: readonly Uint8Array[] | undefined
  readonly now: Date
}

/**
 * Checks that a chain is our server's: a valid X509-SVID that leads to a root of our trust domain, and bears the server's ID. Without
 * roots its name alone is looked at.
 *
 * @throws {ServerApiError} `ERR_SERVER_IDENTITY`, in the words of SPIRE's agent
 */
export function verifyServerChain(chain: readonly Uint8Array[], trust: ServerTrust): void {
  const { trustDomain, roots, now } = trust
  const expected = `${trustDomain.idString}/spire/server`
  if (!roots) {
    checkNameOnly(chain, expected)
    return
  }
  const bundle = new X509Bundle(trustDomain, roots.map(parseCertificate))
  const id = inWordsOfGo(() => verifyX509Svid(chain, bundle, { now }))
  if (id.toString() !== expected) throw wrong(`unexpected ID "${id}"`)
}

function inWordsOfGo<T>(verify: () => T): T {
  try {
    return verify()
  } catch (error) {
    throw isSpiffeError(error) ? wrong(`x509svid: ${error.message}`, error) : error
  }
}

function checkNameOnly([first]: readonly Uint8Array[], expected: string): void {
  if (!first) throw wrong('server chain is unexpectedly empty')
  const { isCa, uriSans } = parseCertificate(first)
  if (!isCa && uriSans.length === 1 && uriSans[0] === expected) return
  throw wrong(`expected server SPIFFE ID "${expected}"; got "[${uriSans.join(' ')}]"`)
}

function wrong(message: string, cause?: unknown): ServerApiError {
  return new ServerApiError('ERR_SERVER_IDENTITY', message, { cause })
}
