import type { Node } from '@mini-spire/runtime/config/ast'
import { ConfigError } from '@mini-spire/runtime/config/config-error'
import { readConfigFile } from '@mini-spire/runtime/config/config-file'
import { decodeSection } from '@mini-spire/runtime/config/decode'
import type { PluginConfig } from '@mini-spire/runtime/config/plugin-config'
import { invalid } from '@mini-spire/runtime/config/resolve-daemon'
import { quoteGo } from '@mini-spire/runtime/go-quote'
import { importCommand } from './import-command.ts'

/** The embedded store, by its own name (`level`). */
export interface EmbeddedStore {
  readonly type: 'embedded'
}

/** `sql` with `sqlite3`: the embedded store too; the file may be a SPIRE server's. */
export interface SqliteSource {
  readonly type: 'sqlite3'
  readonly connectionString: string
}

/** `sql` with `postgres`: what `import` can read. */
export interface PostgresSource {
  readonly type: 'postgres'
  readonly connectionString: string
}

/** `sql` with a database that is known by name and cannot be used here at all. */
export interface OtherDatabase {
  readonly type: 'mysql' | 'aws_postgres' | 'aws_mysql'
}

/** The `DataStore` block, resolved. */
export type DataStoreConfig = EmbeddedStore | SqliteSource | PostgresSource | OtherDatabase

const schema = { connection_string: { type: 'string' } } as const

/** What SPIRE takes as the label of a block; `sqlite3` and `postgres` are values. */
const blockTypes: readonly string[] = ['aws_postgres', 'aws_mysql']

/**
 * What the `DataStore` block says.
 *
 * @throws {ConfigError} `ERR_CONFIG_VALUE` for what SPIRE does not start with either
 */
export function resolveDataStore(plugins: readonly PluginConfig[]): DataStoreConfig {
  const plugin = plugins.find(({ type, isEnabled }) => type === 'DataStore' && isEnabled)
  return plugin?.name === 'sql' ? readDataStore(dataOf(plugin)) : { type: 'embedded' }
}

/**
 * What the data of `DataStore "sql"` says.
 *
 * @throws {ConfigError} `ERR_CONFIG_VALUE` for what SPIRE refuses, in its words
 */
export function readDataStore(data: Node | undefined): DataStoreConfig {
  const { connection_string: connectionString } = decodeSection(schema, data)
  const type = databaseType(data)
  if (type === '') throw invalid('datastore-sql: database_type must be set')
  if (connectionString === '') throw invalid('datastore-sql: connection_string must be set')
  switch (type) {
    case 'sqlite3':
    case 'postgres':
      return { type, connectionString }
    case 'mysql':
    case 'aws_postgres':
    case 'aws_mysql':
      return { type }
    default:
      throw invalid(`datastore-sql: unsupported database_type: ${type}`)
  }
}

/**
 * Refuses a database that this program cannot run on: entries must not land in a place where nobody looks for them.
 *
 * `sql` with sqlite3 means the embedded store; what else the block says is not used.
 *
 * @param configPath the configuration's file, for the command that the refusal names
 * @throws {ConfigError} `ERR_CONFIG_UNSUPPORTED`, or `ERR_CONFIG_VALUE` for what SPIRE does not start with either
 */
export function checkDataStore(plugins: readonly PluginConfig[], configPath: string): void {
  const { type } = resolveDataStore(plugins)
  if (type === 'embedded' || type === 'sqlite3') return
  const advice =
    type === 'postgres'
      ? `take its contents over with: ${importCommand(configPath)}; then write DataStore "level" {}`
      : 'take entries over with "import -from-socket", and write DataStore "level" {}'
  throw new ConfigError(
    'ERR_CONFIG_UNSUPPORTED',
    `database_type ${quoteGo(type)} is not supported by mini-spire yet; ${advice}`,
  )
}

/** Whether {@link resolveDataStore} takes the block. */
export function isReadable(plugins: readonly PluginConfig[]): boolean {
  try {
    resolveDataStore(plugins)
    return true
  } catch {
    return false
  }
}

function dataOf({ data, dataFile }: PluginConfig): Node | undefined {
  return dataFile === undefined ? data : readConfigFile({ path: dataFile }, (list) => list)
}

/** The name of the database: a string, or the label of a block. */
function databaseType(data: Node | undefined): string {
  const { database_type: type } = decodeSection({ database_type: { type: 'node' } }, data)
  if (type?.kind === 'literal') return type.value
  if (type?.kind !== 'object-list') throw invalid('malformed database type configuration')
  const [only, ...more] = type.items
  if (!only || more.length > 0) throw invalid('exactly one database type is expected')
  const label = only.keys[0]?.text ?? ''
  if (!blockTypes.includes(label)) throw invalid(`unknown database type: ${label}`)
  return label
}
