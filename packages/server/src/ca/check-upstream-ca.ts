import type { SigningKey } from '@mini-spire/runtime/key-manager/key-manager'
import { encodeName } from '@mini-spire/runtime/x509/name'
import { X509Bundle } from '@mini-spire/sdk/bundle'
import { messageOf } from '@mini-spire/sdk/errors'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { parseCertificate, parsePublicKey } from '@mini-spire/sdk/x509'
import { verifyX509Svid } from '@mini-spire/sdk/x509-svid'
import { CaError } from './ca-error.ts'
import { checkCaCertificate } from './check-ca-certificate.ts'
import { makeX509Ca } from './x509-ca.ts'

/** What an upstream authority returned, and what it was asked for. */
export interface UpstreamCaCheck {
  /** DER: the new CA first, then what leads to a root. */
  readonly chain: readonly Uint8Array[]
  /** DER. */
  readonly roots: readonly Uint8Array[]
  /** The key that the CA certificate was asked for. */
  readonly key: SigningKey
  readonly trustDomain: TrustDomain
  readonly now: Date
}

/**
 * Checks a CA certificate that an upstream authority signed, before anything of it is believed: it must be a CA of this
 * trust domain that is valid now, and an X509-SVID signed with its key must lead to the roots that came with it. Path length
 * and name constraints further up show here, not in an outage.
 *
 * @throws {CaError} `ERR_UPSTREAM_CA_INVALID`
 */
export async function checkUpstreamCa(check: UpstreamCaCheck): Promise<void> {
  const { chain, key, trustDomain, now } = check
  const [certificate] = chain
  if (!certificate) throw invalid('upstream authority returned no certificate')
  try {
    checkCaCertificate(certificate, { trustDomain, nowMs: now.getTime() })
  } catch (cause) {
    throw invalid(`invalid upstream-signed X509 CA: ${messageOf(cause)}`, cause)
  }
  const svid = await signThrowaway({ certificate, chain, key, trustDomain })
  try {
    const bundle = new X509Bundle(trustDomain, check.roots.map(parseCertificate))
    verifyX509Svid([svid, ...chain], bundle, { now })
  } catch (cause) {
    throw invalid(`X509 CA produced an invalid X509-SVID chain: ${messageOf(cause)}`, cause)
  }
}

/** An SVID that nobody gets, valid as long as the CA itself. */
async function signThrowaway(options: {
  readonly certificate: Uint8Array
  readonly chain: readonly Uint8Array[]
  readonly key: SigningKey
  readonly trustDomain: TrustDomain
}): Promise<Uint8Array> {
  const { certificate, chain, key, trustDomain } = options
  const { leafWriter } = makeX509Ca({ certificate, upstreamChain: chain, key })
  const { notBefore, notAfter } = parseCertificate(certificate)
  return await leafWriter.write({
    serialNumber: Uint8Array.of(1),
    notBeforeSeconds: notBefore.getTime() / 1000,
    notAfterSeconds: notAfter.getTime() / 1000,
    subject: encodeName({}),
    publicKey: parsePublicKey(key.publicKey),
    uri: `${trustDomain.idString}/spire/throwaway`,
    dnsNames: [],
  })
}

function invalid(why: string, cause?: unknown): CaError {
  return new CaError(
    'ERR_UPSTREAM_CA_INVALID',
    `X509 CA minted by upstream authority is invalid: ${why}`,
    { cause },
  )
}
