import { BinaryWriter } from '@bufbuild/protobuf/wire'
import type { CaJournal } from '../model/authority.ts'
import type { TrustBundle } from '../model/trust-bundle.ts'

/** A value that both databases take as a parameter. */
export type SqlValue = string | number | bigint | Uint8Array | boolean | null

/** Something that executes SQL: a SQLite in memory, or a PostgreSQL client. `?` stands for a parameter. */
export type Execute = (sql: string, parameters?: readonly SqlValue[]) => Promise<void>

/** What the two databases call the types of columns. */
export interface SqlDialect {
  readonly id: string
  readonly instant: string
  readonly blob: string
  readonly bool: string
}

/** SQLite's types, as SPIRE's schema has them. */
export const sqliteDialect: SqlDialect = {
  id: 'integer primary key autoincrement',
  instant: 'datetime',
  blob: 'blob',
  bool: 'bool',
}

/** PostgreSQL's types, as SPIRE's schema has them. */
export const postgresDialect: SqlDialect = {
  id: 'serial primary key',
  instant: 'timestamp with time zone',
  blob: 'bytea',
  bool: 'boolean',
}

const text = 'varchar(255)'

/** Makes the tables of a SPIRE 1.15 server, and its line about their version. */
export async function createSpireSchema(
  execute: Execute,
  { id, instant, blob, bool }: SqlDialect,
  schemaVersion: number = 25,
): Promise<void> {
  const tables: Readonly<Record<string, string>> = {
    bundles: `"trust_domain" ${text} NOT NULL, "data" ${blob}`,
    attested_node_entries: `"spiffe_id" ${text}, "data_type" ${text}, "serial_number" ${text}, "expires_at" ${instant},
      "new_serial_number" ${text}, "new_expires_at" ${instant}, "can_reattest" ${bool}, "agent_version" ${text}`,
    node_resolver_map_entries: `"spiffe_id" ${text}, "type" ${text}, "value" ${text}`,
    registered_entries: `"entry_id" ${text}, "spiffe_id" ${text}, "parent_id" ${text}, "ttl" integer, "admin" ${bool},
      "downstream" ${bool}, "expiry" bigint, "revision_number" bigint, "store_svid" ${bool}, "hint" ${text},
      "jwt_svid_ttl" integer, "additional_attributes" ${blob}`,
    selectors: `"registered_entry_id" integer, "type" ${text}, "value" ${text}`,
    dns_names: `"registered_entry_id" integer, "value" ${text}`,
    join_tokens: `"token" ${text}, "expiry" bigint`,
    federated_trust_domains: `"trust_domain" ${text} NOT NULL, "bundle_endpoint_url" ${text},
      "bundle_endpoint_profile" ${text}, "endpoint_spiffe_id" ${text}, "implicit" ${bool}`,
    ca_journals: `"data" ${blob}, "active_x509_authority_id" ${text}, "active_jwt_authority_id" ${text}`,
    migrations: `"version" integer, "code_version" ${text}`,
  }
  for (const [name, columns] of Object.entries(tables)) {
    const common = `"id" ${id}, "created_at" ${instant}, "updated_at" ${instant}`
    await execute(`CREATE TABLE "${name}" (${common}, ${columns})`)
  }
  await execute(
    'CREATE TABLE "federated_registration_entries" ("bundle_id" integer, "registered_entry_id" integer)',
  )
  await execute('INSERT INTO migrations (version, code_version) VALUES (?, ?)', [
    schemaVersion,
    '1.15.3',
  ])
}

/** Adds a row, and returns nothing: rows are numbered from 1 in the order in which they are added. */
export async function insertRow(
  execute: Execute,
  table: string,
  row: Readonly<Record<string, SqlValue>>,
): Promise<void> {
  const columns = Object.keys(row)
  const marks = columns.map(() => '?').join(', ')
  await execute(
    `INSERT INTO ${table} (${columns.join(', ')}) VALUES (${marks})`,
    Object.values(row),
  )
}

/** The bytes of a SQLite database that `fill` has written. */
export async function sqliteBytes(fill: (execute: Execute) => Promise<void>): Promise<Uint8Array> {
  const { default: initialize } = await import('sql.js/dist/sql-wasm-inline.js')
  const { Database } = await initialize()
  const database = new Database()
  await fill((sql, parameters = []) => {
    database.run(
      sql,
      parameters.map((value) => (typeof value === 'boolean' ? Number(value) : value)),
    )
    return Promise.resolve()
  })
  const bytes = database.export()
  database.close()
  return bytes
}

/** A bundle as SPIRE stores it. */
export function encodeSpireBundle(bundle: TrustBundle): Uint8Array {
  const writer = new BinaryWriter()
  writer.tag(1, 2).string(`spiffe://${bundle.trustDomain.name}`)
  for (const { certificate, tainted } of bundle.x509Authorities) {
    writer.tag(2, 2).fork().tag(1, 2).bytes(certificate).tag(2, 0).bool(tainted).join()
  }
  const keys = [
    ...bundle.jwtAuthorities.map((key) => ({ field: 3, ...key })),
    ...(bundle.witAuthorities ?? []).map((key) => ({ field: 6, ...key })),
  ]
  for (const { field, publicKey, keyId, expiresAtSeconds, tainted } of keys) {
    writer.tag(field, 2).fork().tag(1, 2).bytes(publicKey).tag(2, 2).string(keyId)
    writer.tag(3, 0).int64(expiresAtSeconds).tag(4, 0).bool(tainted).join()
  }
  writer.tag(4, 0).int64(bundle.refreshHintSeconds)
  return writer.tag(5, 0).uint64(bundle.sequenceNumber).finish()
}

/** A journal as SPIRE stores it. */
export function encodeSpireJournal(journal: CaJournal): Uint8Array {
  const writer = new BinaryWriter()
  for (const record of journal.x509Authorities) {
    writer.tag(1, 2).fork().tag(1, 2).string(record.slotId).tag(2, 0).int64(record.issuedAtSeconds)
    writer.tag(3, 2).bytes(record.certificate)
    for (const certificate of record.upstreamChain) writer.tag(4, 2).bytes(certificate)
    writer.tag(5, 0).int32(record.status).tag(6, 2).string(record.authorityId)
    writer.tag(7, 0).int64(record.notAfterSeconds).tag(8, 2).string(record.upstreamAuthorityId)
    writer.join()
  }
  const keys = [
    ...journal.jwtAuthorities.map((record) => ({ field: 2, record })),
    ...(journal.witAuthorities ?? []).map((record) => ({ field: 3, record })),
  ]
  for (const { field, record } of keys) {
    writer
      .tag(field, 2)
      .fork()
      .tag(1, 2)
      .string(record.slotId)
      .tag(2, 0)
      .int64(record.issuedAtSeconds)
    writer.tag(3, 0).int64(record.notAfterSeconds).tag(4, 2).string(record.keyId)
    writer.tag(5, 2).bytes(record.publicKey).tag(6, 0).int32(record.status)
    writer.tag(7, 2).string(record.keyId).join()
  }
  return writer.finish()
}
