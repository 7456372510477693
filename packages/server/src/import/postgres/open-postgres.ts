import { messageOf } from '@mini-spire/sdk/errors'
import type { Client } from 'pg'
import { ImportError } from '../import-error.ts'
import type { Row, SpireDatabase } from '../spire-database.ts'
import { postgresUrl } from './connection-string.ts'

/** Rows that are fetched at a time. */
const pageRows = 5000

const connectTimeoutMs = 10_000

/**
 * Opens a PostgreSQL database in one read-only transaction that sees one state of it, and makes sure that nobody else is
 * connected: a SPIRE server that still runs would go on writing.
 *
 * @throws {ImportError} `ERR_IMPORT_SOURCE_UNREADABLE`, `ERR_IMPORT_SOURCE_IN_USE`
 */
export async function openPostgres(connectionString: string): Promise<SpireDatabase> {
  const client = await connect(connectionString)
  try {
    await client.query('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY')
    await refuseIfShared(client)
  } catch (error) {
    await client.end()
    throw error
  }
  let cursors = 0
  return {
    description: `postgres ${client.database ?? ''} on ${client.host}:${client.port}`,
    rows: (sql) => rowsOf(client, `import_${cursors++}`, sql),
    close: () => client.end(),
  }
}

async function connect(connectionString: string): Promise<Client> {
  const { default: pg } = await import('pg')
  const { parse, toClientConfig } = await import('pg-connection-string')
  const url = postgresUrl(connectionString)
  try {
    const client = new pg.Client({
      ...toClientConfig(parse(url, { useLibpqCompat: true })),
      application_name: 'mini-spire import',
      connectionTimeoutMillis: connectTimeoutMs,
    })
    await client.connect()
    return client
  } catch (cause) {
    const text = `unable to connect to the PostgreSQL database: ${messageOf(cause)}`
    throw new ImportError('ERR_IMPORT_SOURCE_UNREADABLE', text, { cause })
  }
}

async function refuseIfShared(client: Client): Promise<void> {
  const { rows } = await client.query<{ readonly count: string }>(
    `SELECT count(*) AS count FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'`,
  )
  const others = Number(rows[0]?.count ?? 0)
  if (others === 0) return
  const text = `the database has ${others} more open connections: stop every SPIRE server that uses it, end other sessions, then import again`
  throw new ImportError('ERR_IMPORT_SOURCE_IN_USE', text)
}

/** Rows by cursor, so that a large table is never in memory as a whole. */
async function* rowsOf(client: Client, cursor: string, sql: string): AsyncGenerator<Row, void> {
  await client.query(`DECLARE ${cursor} NO SCROLL CURSOR FOR ${sql}`)
  for (;;) {
    const { rows } = await client.query<Row>(`FETCH ${pageRows} FROM ${cursor}`)
    yield* rows
    if (rows.length < pageRows) break
  }
  await client.query(`CLOSE ${cursor}`)
}
