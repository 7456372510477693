import type { AgentEntry } from '../model/agent-entry.ts'
import type { WorkloadX509Svid } from '../model/svid.ts'
import type { TrustBundle } from '../model/trust-bundle.ts'
import type { Bundles } from './bundles.ts'
import type { X509Svids } from './x509-svids.ts'

/** An entry with its signed X509-SVID. */
export interface WorkloadIdentity {
  readonly entry: AgentEntry
  readonly svid: WorkloadX509Svid
}

/** What workloads that look the same may have at one moment. */
export interface WorkloadView {
  /** Ascending by ID. */
  readonly entries: readonly AgentEntry[]
  /** Those of the entries whose SVID is there, in the same order. */
  readonly identities: readonly WorkloadIdentity[]
  readonly bundle: TrustBundle
  /** Of the trust domains that the identities federate with, by name; those that are not known are left out. */
  readonly federatedBundles: readonly TrustBundle[]
}

/** Whether every entry of the view has its SVID. */
export function isComplete(view: WorkloadView): boolean {
  return view.identities.length === view.entries.length
}

/** Puts a view together. Entries whose SVIDs are stored elsewhere are not for workloads that ask. */
export function buildView(
  matching: readonly AgentEntry[],
  svids: X509Svids,
  bundles: Bundles,
): WorkloadView {
  const entries = matching.filter((entry) => !entry.storeSvid)
  const identities: WorkloadIdentity[] = []
  const federated = new Map<string, TrustBundle>()
  for (const entry of entries) {
    const svid = svids.find(entry.id)
    if (!svid) continue
    identities.push({ entry, svid })
    for (const trustDomain of entry.federatesWith) {
      const bundle = bundles.find(trustDomain)
      if (bundle && bundle !== bundles.own) federated.set(trustDomain.name, bundle)
    }
  }
  const names = [...federated.keys()].sort()
  return {
    entries,
    identities,
    bundle: bundles.own,
    federatedBundles: names.map((name) => federated.get(name) as TrustBundle),
  }
}

/** Whether two views hold the very same things. */
export function isSameView(a: WorkloadView, b: WorkloadView): boolean {
  return (
    a.bundle === b.bundle &&
    areSame(a.entries, b.entries) &&
    areSame(a.federatedBundles, b.federatedBundles) &&
    a.identities.length === b.identities.length &&
    a.identities.every(({ svid }, i) => svid === b.identities[i]?.svid)
  )
}

function areSame<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((item, i) => item === b[i])
}
