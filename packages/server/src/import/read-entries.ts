import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import type { RegistrationEntry } from '../model/registration-entry.ts'
import type { Selector } from '../model/selector.ts'
import { idOf, recordFrom, type SourceRecord } from './source-record.ts'
import {
  bytesOf,
  flagOf,
  integerOf,
  type Row,
  type SpireDatabase,
  secondsOf,
  textOf,
} from './spire-database.ts'
import { readStoredAttributes } from './spire-messages.ts'

/** What hangs on an entry in tables of its own, by the entry's row. */
interface Attachments {
  readonly selectors: ReadonlyMap<number, readonly Selector[]>
  readonly dnsNames: ReadonlyMap<number, readonly string[]>
  readonly federatesWith: ReadonlyMap<number, readonly TrustDomain[]>
}

/** The registration entries, in the order in which they were created. */
export async function* readEntries(
  database: SpireDatabase,
): AsyncGenerator<SourceRecord<'entry'>, void> {
  const attachments = await readAttachments(database)
  const rows = database.rows(
    `SELECT id, created_at, entry_id, spiffe_id, parent_id, ttl, admin, downstream, expiry, revision_number, store_svid,
      hint, jwt_svid_ttl, additional_attributes FROM registered_entries ORDER BY id`,
  )
  for await (const row of rows) {
    yield recordFrom('entry', textOf(row, 'entry_id'), () => entryOf(row, attachments))
  }
}

function entryOf(row: Row, attachments: Attachments): RegistrationEntry {
  const rowId = integerOf(row, 'id')
  return {
    id: textOf(row, 'entry_id'),
    spiffeId: idOf(row, 'spiffe_id'),
    parentId: idOf(row, 'parent_id'),
    selectors: attachments.selectors.get(rowId) ?? [],
    x509SvidTtlSeconds: integerOf(row, 'ttl'),
    jwtSvidTtlSeconds: integerOf(row, 'jwt_svid_ttl'),
    federatesWith: attachments.federatesWith.get(rowId) ?? [],
    admin: flagOf(row, 'admin'),
    downstream: flagOf(row, 'downstream'),
    expiresAtSeconds: integerOf(row, 'expiry'),
    dnsNames: attachments.dnsNames.get(rowId) ?? [],
    revisionNumber: integerOf(row, 'revision_number'),
    storeSvid: flagOf(row, 'store_svid'),
    hint: textOf(row, 'hint'),
    createdAtSeconds: secondsOf(row, 'created_at'),
    ...readStoredAttributes(bytesOf(row, 'additional_attributes')),
  }
}

async function readAttachments(database: SpireDatabase): Promise<Attachments> {
  const selectors = await group(
    database,
    'SELECT registered_entry_id, type, value FROM selectors ORDER BY id',
    (row) => ({ type: textOf(row, 'type'), value: textOf(row, 'value') }),
  )
  const dnsNames = await group(
    database,
    'SELECT registered_entry_id, value FROM dns_names ORDER BY id',
    (row) => textOf(row, 'value'),
  )
  const federatesWith = await group(
    database,
    `SELECT link.registered_entry_id, bundles.trust_domain FROM federated_registration_entries AS link
      JOIN bundles ON bundles.id = link.bundle_id ORDER BY link.registered_entry_id, link.bundle_id`,
    (row) => TrustDomain.parse(textOf(row, 'trust_domain')),
  )
  return { selectors, dnsNames, federatesWith }
}

async function group<Item>(
  database: SpireDatabase,
  sql: string,
  read: (row: Row) => Item,
): Promise<ReadonlyMap<number, readonly Item[]>> {
  const groups = new Map<number, Item[]>()
  for await (const row of database.rows(sql)) {
    const rowId = integerOf(row, 'registered_entry_id')
    const items = groups.get(rowId)
    if (items) items.push(read(row))
    else groups.set(rowId, [read(row)])
  }
  return groups
}
