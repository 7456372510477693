import type { DataStoreConfig } from '../config/data-store.ts'
import { importCommand } from '../config/import-command.ts'
import { ImportError } from './import-error.ts'
import { holdsSpireSchema, sqlitePath } from './sqlite/sqlite-file.ts'

/**
 * Refuses to start with an empty store beside a SPIRE server's database: its agents and workloads would find a stranger.
 *
 * Only `sqlite3` can get here; a server does not run with any other database in its configuration.
 *
 * @throws {ImportError} `ERR_IMPORT_NEEDED` naming the command
 */
export async function refuseUnimportedDatabase(
  dataStore: DataStoreConfig,
  configPath: string,
): Promise<void> {
  if (dataStore.type !== 'sqlite3') return
  const path = sqlitePath(dataStore.connectionString)
  if (!path || !(await holdsSpireSchema(path))) return
  const text = `${path} holds a SPIRE server's data, and the store of this server is empty: take it over with: ${importCommand(configPath)}; to begin with nothing instead, write DataStore "level" {}`
  throw new ImportError('ERR_IMPORT_NEEDED', text)
}
