import type { Node } from '@mini-spire/runtime/config/ast'
import { ConfigError } from '@mini-spire/runtime/config/config-error'
import { readConfigFile } from '@mini-spire/runtime/config/config-file'
import { decodeSection } from '@mini-spire/runtime/config/decode'
import type { PluginConfig } from '@mini-spire/runtime/config/plugin-config'
import { quoteGo } from '@mini-spire/runtime/go-quote'

const databases: readonly string[] = ['postgres', 'mysql', 'aws_postgres', 'aws_mysql']

/**
 * Refuses a database that this program cannot use: entries must not land in a place where nobody looks for them.
 *
 * `sql` with sqlite3, or without a type, means the embedded store; what else the block says is not used.
 *
 * @throws {ConfigError} `ERR_CONFIG_UNSUPPORTED`, or `ERR_CONFIG_VALUE` for a database that SPIRE does not know either
 */
export function checkDataStore(plugins: readonly PluginConfig[]): void {
  for (const plugin of plugins) {
    if (plugin.type !== 'DataStore' || plugin.name !== 'sql' || !plugin.isEnabled) continue
    const type = databaseType(dataOf(plugin))
    if (type === undefined || type === 'sqlite3') continue
    if (databases.includes(type)) {
      throw new ConfigError(
        'ERR_CONFIG_UNSUPPORTED',
        `database_type ${quoteGo(type)} is not supported by mini-spire yet`,
      )
    }
    throw new ConfigError('ERR_CONFIG_VALUE', `datastore-sql: unsupported database_type: ${type}`)
  }
}

function dataOf({ data, dataFile }: PluginConfig): Node | undefined {
  return dataFile === undefined ? data : readConfigFile({ path: dataFile }, (list) => list)
}

/** The name of the database: a string, or the label of a block. */
function databaseType(data: Node | undefined): string | undefined {
  const { database_type: type } = decodeSection({ database_type: { type: 'node' } }, data)
  if (!type) return undefined
  if (type.kind === 'literal') return type.value
  const [first] = type.kind === 'object-list' ? type.items : []
  return first?.keys[0]?.text
}
