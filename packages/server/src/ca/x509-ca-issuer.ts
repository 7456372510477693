import type { SigningKey } from '@mini-spire/runtime/key-manager/key-manager'
import type { DistinguishedName } from '@mini-spire/runtime/x509/name'
import type { SerialNumbers } from '@mini-spire/runtime/x509/serial-number'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import type { OwnBundle } from '../bundle/own-bundle.ts'
import type { CredentialComposers } from './credential-composers.ts'
import { caCause } from './journal.ts'
import { selfSignCa } from './sign-ca.ts'

/** An X.509 authority's certificate, and what leads from it to the root. */
export interface IssuedCa {
  /** DER. */
  readonly certificate: Uint8Array
  /** DER; begins with the certificate itself; empty when self-signed. */
  readonly upstreamChain: readonly Uint8Array[]
}

/**
 * Where this server's X.509 authorities get their certificates from: themselves, or an authority above.
 *
 * When {@link X509CaIssuer.issue} resolves, the root that the certificate leads to is in the own bundle: an authority is
 * published before it signs anything.
 */
export interface X509CaIssuer {
  /** Whether an authority above signs: then operators taint and revoke that one's roots, not this server's authorities. */
  readonly isUpstream: boolean
  /** Has a certificate made for the key of an authority that is being prepared. */
  issue(request: { readonly key: SigningKey; readonly nowMs: number }): Promise<IssuedCa>
}

/** Options of {@link selfSigningIssuer}. */
export interface SelfSigningOptions {
  readonly trustDomain: TrustDomain
  readonly subject: DistinguishedName
  readonly ttlSeconds: number
  readonly serialNumbers: SerialNumbers
  readonly bundle: OwnBundle
  /** @default nobody changes what certificates say */
  readonly composers?: CredentialComposers | undefined
}

/** Authorities that are their own roots. */
export function selfSigningIssuer(options: SelfSigningOptions): X509CaIssuer {
  return {
    isUpstream: false,
    issue: async ({ key, nowMs }) => {
      const certificate = await selfSignCa({ ...options, key, nowMs })
      await options.bundle.append({ x509: [certificate] }, caCause('x509 authority prepared'))
      return { certificate, upstreamChain: [] }
    },
  }
}
