import type { LogFields } from '@mini-spire/runtime/log/logger'
import type { Entry, EntryMask } from '@mini-spire/runtime/proto/spire/api/types/entry'
import type { SPIFFEID } from '@mini-spire/runtime/proto/spire/api/types/spiffeid'
import { selectorField, setMatchName } from '../convert-selectors.ts'
import { spiffeIdFromProto } from '../convert-spiffe-id.ts'
import type { FilterMessage } from './convert-filter.ts'

/** What an audit line says about an entry that was to be created or changed: the fields that the mask selects. */
export function auditEntry(entry: Entry, mask: EntryMask | undefined): LogFields {
  const has = (field: keyof EntryMask): boolean => mask === undefined || mask[field]
  const dnsNames = entry.dnsNames.join(',')
  const federatesWith = entry.federatesWith.join(',')
  const selectors = selectorField(entry.selectors)
  return {
    ...(entry.id !== '' && { entry_id: entry.id }),
    ...(has('spiffeId') && idField('spiffe_id', entry.spiffeId)),
    ...(has('parentId') && idField('parent_id', entry.parentId)),
    ...(has('selectors') && selectors !== '' && { selectors }),
    ...(has('x509SvidTtl') && { x509_svid_ttl: entry.x509SvidTtl }),
    ...(has('jwtSvidTtl') && { jwt_svid_ttl: entry.jwtSvidTtl }),
    ...(has('federatesWith') && federatesWith !== '' && { federates_with: federatesWith }),
    ...(has('admin') && { admin: entry.admin }),
    ...(has('downstream') && { downstream: entry.downstream }),
    ...(has('expiresAt') && { expires_at: entry.expiresAt }),
    ...(has('dnsNames') && dnsNames !== '' && { dns_name: dnsNames }),
    ...(has('revisionNumber') && { revision_number: entry.revisionNumber }),
    ...(has('storeSvid') && { store_svid: entry.storeSvid }),
    ...(has('hint') && { hint: entry.hint }),
    ...(has('createdAt') && { created_at: entry.createdAt }),
  }
}

/** What an audit line says about a filter. */
export function auditFilter(filter: FilterMessage): LogFields {
  const { bySelectors, byFederatesWith, byHint, byDownstream } = filter
  return {
    ...(byHint !== undefined && { hint: byHint }),
    ...(filter.byParentId && idField('parent_id', filter.byParentId)),
    ...(filter.bySpiffeId && idField('spiffe_id', filter.bySpiffeId)),
    ...(bySelectors && {
      by_selector_match: setMatchName(bySelectors.match),
      by_selectors: selectorField(bySelectors.selectors),
    }),
    ...(byFederatesWith && {
      federates_with_match: setMatchName(byFederatesWith.match),
      federates_with: byFederatesWith.trustDomains.join(','),
    }),
    ...(byDownstream !== undefined && { downstream: byDownstream }),
  }
}

/** An ID that cannot be read is left out: the status says why. */
function idField(name: string, id: SPIFFEID | undefined): LogFields {
  try {
    return { [name]: String(spiffeIdFromProto(id)) }
  } catch {
    return {}
  }
}
