import type { Clock } from '@mini-spire/runtime/clock'
import type { SigningKey } from '@mini-spire/runtime/key-manager/key-manager'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { hashJoinToken } from '../attestation/join-tokens.ts'
import type { CaJournal } from '../model/authority.ts'
import type { Registry } from '../registry/registry.ts'
import type { Actor, RecordKind, Store } from '../store/store.ts'
import { checkAuthorities } from './check-authorities.ts'
import { ImportError } from './import-error.ts'
import type { ImportMarker } from './import-marker.ts'
import { type ImportReport, ImportTally } from './import-report.ts'
import { mergeRecords } from './merge-records.ts'
import type { OpenedSource } from './open-source.ts'
import { readBundles, readRelationships } from './read-bundles.ts'
import { readEntries } from './read-entries.ts'
import { readJournals } from './read-journals.ts'
import { readJoinTokens, readNodes } from './read-nodes.ts'
import type { SourceRecord } from './source-record.ts'
import { idOf } from './source-record.ts'

/** Options of {@link importDatastore}. */
export interface ImportDatastoreOptions {
  readonly source: OpenedSource
  readonly trustDomain: TrustDomain
  /** Opened, and feeding the registry. */
  readonly store: Pick<Store, 'commit'>
  readonly registry: Registry
  readonly marker: ImportMarker
  /** The key manager's keys; undefined when they cannot be seen from here. */
  readonly keys: readonly SigningKey[] | undefined
  /** Whether nothing is to be written. */
  readonly isDryRun: boolean
  readonly actor: Actor
  readonly clock: Clock
  /** Hears how many records of a kind have been read. */
  readonly onProgress: (kind: RecordKind, read: number) => void
}

/**
 * Takes over what a stopped SPIRE server had in its database: bundles, federation relationships, entries, attested nodes with
 * both serial numbers, unused join tokens (as hashes) and the CA journals. Together with its keys file that is everything a
 * server needs to go on where SPIRE stopped.
 *
 * Records that are there already are never changed, so an import may be interrupted and repeated at will. While it is not
 * complete, a marker keeps the server from starting.
 *
 * @throws {ImportError} `ERR_IMPORT_TRUST_DOMAIN` for the data of another trust domain
 */
export async function importDatastore(options: ImportDatastoreOptions): Promise<ImportReport> {
  const { source, trustDomain, marker, isDryRun, clock } = options
  await refuseOtherTrustDomain(options)
  const nowSeconds = Math.floor(clock.nowMs() / 1000)
  const tally = new ImportTally()
  const journals: CaJournal[] = []
  const kinds = sourceKinds(options, nowSeconds, journals)
  for (const [kind, records] of kinds) {
    await mergeRecords(kind, records, {
      registry: options.registry,
      store: isDryRun ? undefined : options.store,
      cause: { actor: options.actor, requestId: '', reason: 'import' },
      tally,
      beforeWrite: () => marker.set(),
      onProgress: options.onProgress,
      ownTrustDomain: trustDomain.name,
    })
  }
  if (!isDryRun) await marker.clear()
  const check = checkAuthorities(journals, options.keys, nowSeconds)
  return {
    source: source.database.description,
    spireVersion: source.spireVersion,
    trustDomain: trustDomain.name,
    isDryRun,
    counts: tally.counts,
    problems: tally.problems,
    authorities: check.authorities,
    warnings: check.warnings,
  }
}

/** The kinds in the order in which one needs the other. */
function sourceKinds(
  { source: { database } }: ImportDatastoreOptions,
  nowSeconds: number,
  journals: CaJournal[],
): readonly (readonly [RecordKind, AsyncIterable<SourceRecord>])[] {
  return [
    ['bundle', readBundles(database)],
    ['federation-relationship', readRelationships(database)],
    ['entry', readEntries(database)],
    ['node', readNodes(database)],
    ['join-token', readJoinTokens(database, { nowSeconds, hash: hashJoinToken })],
    ['ca-journal', collect(readJournals(database), journals)],
  ]
}

async function* collect(
  records: AsyncIterable<SourceRecord<'ca-journal'>>,
  journals: CaJournal[],
): AsyncGenerator<SourceRecord<'ca-journal'>, void> {
  for await (const record of records) {
    if ('value' in record) journals.push(record.value)
    yield record
  }
}

async function refuseOtherTrustDomain(options: ImportDatastoreOptions): Promise<void> {
  const { source, trustDomain } = options
  const sql = 'SELECT spiffe_id FROM registered_entries ORDER BY id LIMIT 1'
  for await (const row of source.database.rows(sql)) {
    const id = idOf(row, 'spiffe_id')
    if (id.isMemberOf(trustDomain)) continue
    const text = `the database is of trust domain ${id.trustDomain.name}, the configuration says ${trustDomain.name}`
    throw new ImportError('ERR_IMPORT_TRUST_DOMAIN', text)
  }
}
