import { formatUtc } from '@mini-spire/runtime/cli/time'
import { formatWireId } from '@mini-spire/runtime/cli/values'
import type { Entry } from '@mini-spire/runtime/proto/spire/api/types/entry'

/** A registration entry as people read it, an empty line after it. */
export function formatEntry(entry: Entry): string {
  const attributes = entry.additionalAttributes
  const lines: readonly (readonly [string, string | number | bigint] | undefined)[] = [
    ['Entry ID', entry.id || '(none)'],
    ['SPIFFE ID', formatWireId(entry.spiffeId)],
    ['Parent ID', formatWireId(entry.parentId)],
    ['Revision', entry.revisionNumber],
    when(entry.downstream, 'Downstream'),
    ['X509-SVID TTL', entry.x509SvidTtl || 'default'],
    ['JWT-SVID TTL', entry.jwtSvidTtl || 'default'],
    entry.expiresAt === 0n ? undefined : ['Expiration time', formatUtc(Number(entry.expiresAt))],
    ...entry.selectors.map(({ type, value }) => ['Selector', `${type}:${value}`] as const),
    ...entry.federatesWith.map((name) => ['FederatesWith', name] as const),
    ...entry.dnsNames.map((name) => ['DNS name', name] as const),
    when(entry.admin, 'Admin'),
    when(entry.storeSvid, 'StoreSvid'),
    entry.hint === '' ? undefined : ['Hint', entry.hint],
    when(attributes?.disableX509SvidPrefetch, 'DisableX509SvidPrefetch'),
    when(attributes?.jwtSvidIncludeJti, 'JwtSvidIncludeJti'),
  ]
  const shown = lines.filter((line) => line !== undefined)
  return `${shown.map(([name, value]) => `${name.padEnd(24)}: ${value}\n`).join('')}\n`
}

function when(isSet: boolean | undefined, name: string): readonly [string, string] | undefined {
  return isSet ? [name, 'true'] : undefined
}
