import type { MetricsIdentity, OwnSvid } from '@mini-spire/runtime/telemetry/prometheus-tls'
import { X509Bundle, type X509BundleSource } from '@mini-spire/sdk/bundle'
import { parseCertificate } from '@mini-spire/sdk/x509'
import type { WorkloadCache } from '../cache/workload-cache.ts'
import type { AgentIdentity } from '../node-attestation/agent-identity.ts'

/** Who the agent is and whom it trusts, for listeners with TLS. */
export interface TlsIdentitySource {
  readonly identity: Pick<AgentIdentity, 'current'>
  readonly cache: Pick<WorkloadCache, 'bundles'>
}

/** The agent's SVID with its key; undefined before there is one. */
export function ownTlsSvid({ current }: Pick<AgentIdentity, 'current'>): OwnSvid | undefined {
  const key = current?.key.tlsKey?.()
  return current && key && { key, chain: current.certificates.map(({ raw }) => raw) }
}

/** The bundles of the cache as they are when asked; none before there is a cache. */
export function tlsBundles(find: () => TlsIdentitySource['cache'] | undefined): X509BundleSource {
  return {
    findX509Bundle: (trustDomain) => {
      const bundle = find()?.bundles.find(trustDomain)
      const roots = bundle?.x509Authorities.map((one) => parseCertificate(one.certificate))
      return roots && new X509Bundle(trustDomain, roots)
    },
  }
}

/** What scrapes over TLS need; nobody is there before the agent has attested. */
export function metricsIdentity(find: () => TlsIdentitySource | undefined): MetricsIdentity {
  return {
    svid: () => {
      const source = find()
      return source && ownTlsSvid(source.identity)
    },
    bundles: tlsBundles(() => find()?.cache),
  }
}
