import type { SubscribeToX509SVIDsResponse } from '@mini-spire/runtime/proto/spire/api/agent/delegatedidentity/v1/delegatedidentity'
import type { JWTSVID } from '@mini-spire/runtime/proto/spire/api/types/jwtsvid'
import type { Selector as WireSelector } from '@mini-spire/runtime/proto/spire/api/types/selector'
import type { SPIFFEID } from '@mini-spire/runtime/proto/spire/api/types/spiffeid'
import type { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import type { WorkloadIdentity, WorkloadView } from '../../cache/workload-view.ts'
import type { AgentEntry } from '../../model/agent-entry.ts'
import { SelectorSet } from '../../model/selector-set.ts'
import type { WorkloadJwtSvid } from '../../model/svid.ts'

const seconds = (ms: number): bigint => BigInt(Math.floor(ms / 1000))

/** Whether an entry's SVIDs may be given to somebody who asks for a workload. */
export function isDelegable({ admin, downstream }: AgentEntry): boolean {
  return !admin && !downstream
}

/** What SubscribeToX509SVIDs answers; none of an administrator or a server below. */
export function x509SvidsToProto(view: WorkloadView): SubscribeToX509SVIDsResponse {
  return {
    x509Svids: view.identities.filter(({ entry }) => isDelegable(entry)).map(svidWithKey),
    federatesWith: view.federatedBundles.map(({ trustDomain }) => trustDomain.idString).sort(),
  }
}

function svidWithKey({
  entry,
  svid,
}: WorkloadIdentity): SubscribeToX509SVIDsResponse['x509Svids'][number] {
  return {
    x509Svid: {
      id: idToProto(entry.spiffeId),
      certChain: [...svid.chain],
      expiresAt: seconds(svid.notAfterMs),
      hint: entry.hint,
    },
    x509SvidKey: svid.privateKey,
  }
}

/** A token, as FetchJWTSVIDs answers. */
export function jwtSvidToProto({ spiffeId, hint }: AgentEntry, svid: WorkloadJwtSvid): JWTSVID {
  return {
    token: svid.token,
    id: idToProto(spiffeId),
    expiresAt: seconds(svid.expiresAtMs),
    issuedAt: seconds(svid.issuedAtMs),
    hint,
  }
}

/** Undefined: one of them is none. */
export function selectorsFromProto(selectors: readonly WireSelector[]): SelectorSet | undefined {
  const areAll = selectors.every(
    ({ type, value }) => type !== '' && !type.includes(':') && value !== '',
  )
  return areAll ? new SelectorSet(selectors) : undefined
}

function idToProto({ trustDomain, path }: SpiffeId): SPIFFEID {
  return { trustDomain: trustDomain.name, path }
}
