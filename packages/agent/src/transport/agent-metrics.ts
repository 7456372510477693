import type { Clock } from '@mini-spire/runtime/clock'
import type { KeyManager } from '@mini-spire/runtime/key-manager/key-manager'
import {
  type KeyManagerCall,
  MeasuredKeyManager,
} from '@mini-spire/runtime/key-manager/measured-key-manager'
import {
  type Metrics,
  measureCall,
  noMetrics,
  statusOf,
} from '@mini-spire/runtime/telemetry/metrics'
import type { MetricsIdentity } from '@mini-spire/runtime/telemetry/prometheus-tls'
import { X509Bundle } from '@mini-spire/sdk/bundle'
import { parseCertificate } from '@mini-spire/sdk/x509'
import type { WorkloadCache } from '../cache/workload-cache.ts'
import type { AgentIdentity } from '../node-attestation/agent-identity.ts'

/** What metrics over TLS need to know of the agent. */
export interface MetricsSource {
  readonly identity: Pick<AgentIdentity, 'current'>
  readonly cache: Pick<WorkloadCache, 'bundles'>
}

/** Who the agent is and whom it trusts, for scrapes over TLS; nobody before it is there. */
export function metricsIdentity(find: () => MetricsSource | undefined): MetricsIdentity {
  return {
    svid: () => {
      const svid = find()?.identity.current
      const key = svid?.key.tlsKey?.()
      return svid && key && { key, chain: svid.certificates.map(({ raw }) => raw) }
    },
    bundles: {
      findX509Bundle: (trustDomain) => {
        const bundle = find()?.cache.bundles.find(trustDomain)
        const roots = bundle?.x509Authorities.map((one) => parseCertificate(one.certificate))
        return roots && new X509Bundle(trustDomain, roots)
      },
    },
  }
}

/** What SPIRE's agent calls the calls of its key manager; it does not count signatures. */
const keyManagerKeys: Readonly<Partial<Record<KeyManagerCall, readonly string[]>>> = {
  generate_key: ['agent_key_manager', 'generate_key'],
  get_public_key: ['agent_key_manager', 'get_key'],
  get_public_keys: ['agent_key_manager', 'get_keys'],
}

/** Counts the calls of the key manager; when nobody scrapes, it is used as it is. */
export function measuredKeys(metrics: Metrics, keys: KeyManager, clock: Clock): KeyManager {
  if (metrics === noMetrics) return keys
  return new MeasuredKeyManager({
    keys,
    clock,
    observe: (call, { durationMs, error }) => {
      const key = keyManagerKeys[call]
      const code = error === undefined ? 0 : statusOf(error)
      if (key) measureCall(metrics, { key, durationMs, code })
    },
  })
}
