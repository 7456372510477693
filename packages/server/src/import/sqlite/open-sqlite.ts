import { readFile } from 'node:fs/promises'
import { messageOf } from '@mini-spire/sdk/errors'
import type { Database } from 'sql.js/dist/sql-wasm-inline.js'
import { ImportError } from '../import-error.ts'
import type { Row, SpireDatabase } from '../spire-database.ts'
import { refuseIfInUse } from './sqlite-file.ts'

/**
 * Opens a copy of a SQLite file in memory: the file itself is read once and never written, nor is anything beside it.
 *
 * @throws {ImportError} `ERR_IMPORT_SOURCE_IN_USE`, `ERR_IMPORT_SOURCE_UNREADABLE`
 */
export async function openSqlite(path: string): Promise<SpireDatabase> {
  await refuseIfInUse(path)
  const database = await load(path)
  return {
    description: `sqlite3 ${path}`,
    rows: (sql) => rowsOf(database, sql),
    close: () => {
      database.close()
      return Promise.resolve()
    },
  }
}

async function load(path: string): Promise<Database> {
  try {
    const bytes = await readFile(path)
    const { default: initialize } = await import('sql.js/dist/sql-wasm-inline.js')
    const { Database } = await initialize()
    const database = new Database(bytes)
    // SQLite looks at the file only when it is asked something.
    database.prepare('SELECT count(*) FROM sqlite_master').free()
    // While it was being read, somebody may have opened it.
    await refuseIfInUse(path)
    return database
  } catch (cause) {
    if (cause instanceof ImportError) throw cause
    throw unreadable(path, cause)
  }
}

async function* rowsOf(database: Database, sql: string): AsyncGenerator<Row, void> {
  const statement = database.prepare(sql)
  try {
    while (statement.step()) yield statement.getAsObject(null, { useBigInt: true })
  } finally {
    statement.free()
  }
}

function unreadable(path: string, cause: unknown): ImportError {
  const text = `unable to read the database ${path}: ${messageOf(cause)}`
  return new ImportError('ERR_IMPORT_SOURCE_UNREADABLE', text, { cause })
}
