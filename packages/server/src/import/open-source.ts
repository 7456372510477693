import type { DataStoreConfig } from '../config/data-store.ts'
import { ImportError } from './import-error.ts'
import { integerOf, type SpireDatabase, textOf } from './spire-database.ts'
import { openSqlite } from './sqlite/open-sqlite.ts'
import { sqlitePath } from './sqlite/sqlite-file.ts'

/** The schema that SPIRE 1.15 writes; older ones lack columns, and it migrates them. */
const schemaVersionRead = 25

/** A SPIRE server's database that can be imported from. */
export interface OpenedSource {
  readonly database: SpireDatabase
  /** The SPIRE version that wrote the schema, such as `1.15.3`. */
  readonly spireVersion: string
  readonly schemaVersion: number
}

/**
 * Opens the database that a SPIRE server's configuration names, to be read only.
 *
 * @throws {ImportError} `ERR_IMPORT_SOURCE_UNSUPPORTED`, `ERR_IMPORT_SOURCE_UNREADABLE`, `ERR_IMPORT_SOURCE_IN_USE`,
 *   `ERR_IMPORT_SOURCE_VERSION`
 */
export async function openSource(config: DataStoreConfig): Promise<OpenedSource> {
  const database = await openDatabase(config)
  try {
    return { database, ...(await checkSchema(database)) }
  } catch (error) {
    await database.close()
    throw error
  }
}

async function openDatabase(config: DataStoreConfig): Promise<SpireDatabase> {
  switch (config.type) {
    case 'sqlite3': {
      const path = sqlitePath(config.connectionString)
      if (path) return await openSqlite(path)
      throw unsupported('the connection_string of the DataStore names no file to import from')
    }
    case 'postgres': {
      const { openPostgres } = await import('./postgres/open-postgres.ts')
      return await openPostgres(config.connectionString)
    }
    case 'mysql':
    case 'aws_mysql':
      throw unsupported('MySQL databases are not read: move entries with import -from-socket')
    case 'aws_postgres':
      throw unsupported(
        'aws_postgres needs AWS IAM to log in: name the database as "postgres" with a password, or move entries with import -from-socket',
      )
    case 'embedded':
      throw unsupported('the configuration has no DataStore "sql" block to import from')
    default:
      return config satisfies never
  }
}

async function checkSchema(
  database: SpireDatabase,
): Promise<Pick<OpenedSource, 'spireVersion' | 'schemaVersion'>> {
  let spireVersion = ''
  let schemaVersion: number | undefined
  try {
    for await (const row of database.rows('SELECT version, code_version FROM migrations')) {
      schemaVersion = integerOf(row, 'version')
      spireVersion = textOf(row, 'code_version')
    }
  } catch (cause) {
    throw noSpire(database, cause)
  }
  if (schemaVersion === undefined) throw noSpire(database, undefined)
  if (schemaVersion !== schemaVersionRead) {
    const advice =
      schemaVersion < schemaVersionRead
        ? 'start and stop SPIRE 1.15 on the database first, which migrates it'
        : 'it is from a newer SPIRE than this program knows'
    const text = `the database has schema version ${schemaVersion} (SPIRE ${spireVersion}), version ${schemaVersionRead} is read: ${advice}`
    throw new ImportError('ERR_IMPORT_SOURCE_VERSION', text)
  }
  return { spireVersion, schemaVersion }
}

function noSpire({ description }: SpireDatabase, cause: unknown): ImportError {
  const text = `${description} does not hold a SPIRE server's data`
  return new ImportError('ERR_IMPORT_SOURCE_UNREADABLE', text, { cause })
}

function unsupported(message: string): ImportError {
  return new ImportError('ERR_IMPORT_SOURCE_UNSUPPORTED', message)
}
