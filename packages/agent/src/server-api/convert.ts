import type { EntryRevision as WireRevision } from '@mini-spire/runtime/proto/spire/api/server/entry/v1/entry'
import type { Bundle } from '@mini-spire/runtime/proto/spire/api/types/bundle'
import type { Entry, EntryMask } from '@mini-spire/runtime/proto/spire/api/types/entry'
import type { JWTSVID } from '@mini-spire/runtime/proto/spire/api/types/jwtsvid'
import { messageOf } from '@mini-spire/sdk/errors'
import { SpiffeId, TrustDomain } from '@mini-spire/sdk/spiffe-id'
import type { AgentEntry, EntryRevision } from '../model/agent-entry.ts'
import type { Selector } from '../model/selector.ts'
import type { TrustBundle } from '../model/trust-bundle.ts'
import type { SignedJwtSvid } from './server-api.ts'
import { ServerApiError } from './server-api-error.ts'

/** The fields of an entry that an agent needs. */
export const entryMask: EntryMask = {
  spiffeId: true,
  parentId: false,
  selectors: true,
  x509SvidTtl: false,
  federatesWith: true,
  admin: true,
  downstream: true,
  expiresAt: false,
  dnsNames: false,
  revisionNumber: true,
  storeSvid: true,
  jwtSvidTtl: false,
  hint: true,
  createdAt: true,
  additionalAttributes: true,
}

/** @throws {Error} saying what is wrong with it; the caller skips such an entry */
export function entryFromProto(entry: Entry): AgentEntry {
  if (entry.id === '') throw new Error('missing entry ID')
  if (!entry.spiffeId) throw new Error('missing SPIFFE ID')
  if (entry.selectors.length === 0) throw new Error('missing selectors')
  return {
    id: entry.id,
    spiffeId: SpiffeId.fromPath(TrustDomain.parse(entry.spiffeId.trustDomain), entry.spiffeId.path),
    selectors: entry.selectors.map(selectorFromProto),
    federatesWith: entry.federatesWith.map((name) => TrustDomain.parse(name)),
    admin: entry.admin,
    downstream: entry.downstream,
    revisionNumber: Number(entry.revisionNumber),
    storeSvid: entry.storeSvid,
    hint: entry.hint,
    createdAtSeconds: Number(entry.createdAt),
    disableX509SvidPrefetch: entry.additionalAttributes?.disableX509SvidPrefetch ?? false,
  }
}

function selectorFromProto({ type, value }: Selector): Selector {
  if (type === '') throw new Error('missing selector type')
  if (type.includes(':')) throw new Error("selector type contains ':'")
  if (value === '') throw new Error('missing selector value')
  return { type, value }
}

/** The entries that can be used; each of the others is reported. */
export function entriesFromProto(
  entries: readonly Entry[],
  onMalformed: (id: string, reason: string) => void,
): readonly AgentEntry[] {
  return entries.flatMap((entry) => {
    try {
      return [entryFromProto(entry)]
    } catch (error) {
      onMalformed(entry.id, messageOf(error))
      return []
    }
  })
}

/** The revisions that can be used; those without an ID, or below zero, are none. */
export function revisionsFromProto(revisions: readonly WireRevision[]): readonly EntryRevision[] {
  return revisions
    .filter(({ id, revisionNumber }) => id !== '' && revisionNumber >= 0n)
    .map(({ id, revisionNumber, createdAt }) => ({
      id,
      revisionNumber: Number(revisionNumber),
      createdAtSeconds: Number(createdAt),
    }))
}

/** @throws {ServerApiError} `ERR_SERVER_ANSWER` for a trust domain that is none */
export function bundleFromProto(bundle: Bundle): TrustBundle {
  let trustDomain: TrustDomain
  try {
    trustDomain = TrustDomain.parse(bundle.trustDomain)
  } catch (error) {
    throw new ServerApiError(
      'ERR_SERVER_ANSWER',
      `failed to parse trust domain bundle: ${messageOf(error)}`,
      { cause: error },
    )
  }
  return {
    trustDomain,
    x509Authorities: bundle.x509Authorities.map(({ asn1, tainted }) => ({
      certificate: asn1,
      tainted,
    })),
    jwtAuthorities: bundle.jwtAuthorities.map(({ keyId, publicKey, tainted }) => ({
      keyId,
      publicKey,
      tainted,
    })),
    refreshHintSeconds: Number(bundle.refreshHint),
    sequenceNumber: Number(bundle.sequenceNumber),
  }
}

/** @throws {ServerApiError} `ERR_SERVER_ANSWER` for an answer that is no token with its times */
export function jwtSvidFromProto(svid: JWTSVID | undefined): SignedJwtSvid {
  const issuedAtSeconds = Number(svid?.issuedAt ?? 0n)
  const expiresAtSeconds = Number(svid?.expiresAt ?? 0n)
  const problem =
    svid === undefined
      ? 'JWTSVID response missing SVID'
      : issuedAtSeconds === 0
        ? 'JWTSVID missing issued at'
        : expiresAtSeconds === 0
          ? 'JWTSVID missing expires at'
          : issuedAtSeconds > expiresAtSeconds
            ? 'JWTSVID issued after it has expired'
            : undefined
  if (svid === undefined || problem !== undefined)
    throw new ServerApiError('ERR_SERVER_ANSWER', problem ?? '')
  return { token: svid.token, issuedAtSeconds, expiresAtSeconds }
}
