import { buildCsr } from '@mini-spire/runtime/x509/csr'
import type { DistinguishedName } from '@mini-spire/runtime/x509/name'
import { type SerialNumbers, serialNumberText } from '@mini-spire/runtime/x509/serial-number'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { CaError } from './ca-error.ts'
import { checkUpstreamCa } from './check-upstream-ca.ts'
import type { CredentialComposers } from './credential-composers.ts'
import { composedCa } from './sign-ca.ts'
import type { UpstreamClient } from './upstream-client.ts'
import type { X509CaIssuer } from './x509-ca-issuer.ts'

/** Options of {@link upstreamIssuer}. */
export interface UpstreamIssuerOptions {
  readonly upstream: Pick<UpstreamClient, 'mint'>
  readonly trustDomain: TrustDomain
  /** `ca_subject`; a fresh number is added as its `serialNumber` attribute. */
  readonly subject: DistinguishedName
  /** What is asked for; the upstream authority may give less, or more. */
  readonly ttlSeconds: number
  readonly serialNumbers: SerialNumbers
  /** @default nobody changes what is asked for */
  readonly composers?: CredentialComposers | undefined
}

/** Authorities that an upstream authority signs; its roots are in the own bundle when one is issued. */
export function upstreamIssuer(options: UpstreamIssuerOptions): X509CaIssuer {
  const { upstream, trustDomain, subject, ttlSeconds, serialNumbers } = options
  return {
    isUpstream: true,
    issue: async ({ key, nowMs }) => {
      const serialNumber = subject.serialNumber ?? serialNumberText(serialNumbers.draw())
      const says = await composedCa(options.composers, { ...subject, serialNumber })
      // Policies have no place in a request: the upstream authority decides them.
      const csr = await buildCsr({
        key,
        subject: says.subject,
        uriSan: trustDomain.idString,
        extraExtensions: says.extraExtensions,
      })
      const request = { csr, preferredTtlSeconds: Math.floor(ttlSeconds) }
      const upstreamChain = await upstream.mint(request, (chain, roots) =>
        checkUpstreamCa({ chain, roots, key, trustDomain, now: new Date(nowMs) }),
      )
      const [certificate] = upstreamChain
      if (!certificate) throw new CaError('ERR_UPSTREAM_CA_INVALID', 'no certificate')
      return { certificate, upstreamChain }
    },
  }
}
