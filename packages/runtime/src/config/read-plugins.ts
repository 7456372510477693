import { quoteGo } from '../go-quote.ts'
import type { Key, Node, ObjectItem } from './ast.ts'
import { ConfigError } from './config-error.ts'
import { decodeSection } from './decode.ts'
import type { PluginConfig } from './plugin-config.ts'

const pluginSchema = {
  plugin_cmd: { type: 'string' },
  plugin_args: { type: 'strings' },
  plugin_checksum: { type: 'string' },
  plugin_data: { type: 'node' },
  plugin_data_file: { type: 'string', optional: true },
  enabled: { type: 'bool', optional: true },
} as const

interface FoundPlugin {
  readonly type: string
  readonly name: string
  readonly node: Node
  readonly path: string
}

/**
 * The plugins of a `plugins` block in the order in which they stand, disabled ones included.
 *
 * `A "b" { }`, `A { b { } }`, `A = { b = { } }` and their JSON forms are the same. Which types and names exist, and how
 * many of each there must be, is not checked here.
 *
 * @throws {ConfigError} `ERR_CONFIG_VALUE`
 */
export function readPlugins(node: Node): readonly PluginConfig[] {
  if (node.kind !== 'object-list') {
    const name = node.kind === 'list' ? '*ast.ListType' : '*ast.LiteralType'
    throw invalid(`expected plugins node type *ast.ObjectList but got ${name}`)
  }
  const found = node.items.flatMap((item, index) => findPlugins(item, `root[${index}]`))
  refuseDuplicates(found)
  const decoded = found.map((plugin) => ({ plugin, config: decodePlugin(plugin) }))
  return decoded.map(({ plugin, config }) => toConfig(plugin, config))
}

function findPlugins(item: ObjectItem, path: string): readonly FoundPlugin[] {
  const [type, ...rest] = item.keys
  if (!type) return []
  return namedItems(item.value, rest, `${path}.${type.text}`).map(({ key, value }) => ({
    type: type.text,
    name: key.text,
    node: value,
    path: `${path}.${type.text}.${key.text}`,
  }))
}

/** What stands under a plugin type: a value for each name. */
function namedItems(
  value: ObjectItem['value'],
  keys: readonly Key[],
  path: string,
): readonly { readonly key: Key; readonly value: Node }[] {
  const [key, ...rest] = keys
  if (key) return [{ key, value: wrap(value, rest) }]
  if (value.kind !== 'object') {
    const name = value.kind === 'list' ? '*ast.ListType' : '*ast.LiteralType'
    const { line, column } = value.position
    const place = line > 0 ? `${line}:${column}` : '-'
    throw invalid(
      `failed to decode plugins config: At ${place}: ${path}: not an object type for map (${name})`,
    )
  }
  return value.list.items.flatMap((item) => {
    const [first, ...others] = item.keys
    return first ? [{ key: first, value: wrap(item.value, others) }] : []
  })
}

/** A value below the keys that are left over: `A "b" plugin_data { }`. */
function wrap(value: ObjectItem['value'], keys: readonly Key[]): Node {
  return keys.length === 0 ? value : { kind: 'object-list', items: [{ kind: 'item', keys, value }] }
}

function refuseDuplicates(found: readonly FoundPlugin[]): void {
  const seen = new Set<string>()
  for (const { type, name } of found) {
    const ident = `${quoteGo(type)}/${quoteGo(name)}`
    if (seen.has(ident)) throw invalid(`plugin ${ident} declared more than once`)
    seen.add(ident)
  }
}

type DecodedPlugin = ReturnType<typeof decodeSection<typeof pluginSchema>>

function decodePlugin(plugin: FoundPlugin): DecodedPlugin {
  try {
    return decodeSection(pluginSchema, plugin.node, plugin.path)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    throw invalid(`failed to decode plugins config: ${error.message}`)
  }
}

function toConfig(plugin: FoundPlugin, config: DecodedPlugin): PluginConfig {
  const { type, name } = plugin
  if (config.plugin_data !== undefined && config.plugin_data_file !== undefined) {
    throw invalid(
      `failed to create plugin config for ${quoteGo(type)}/${quoteGo(name)}: ` +
        'only one of [plugin_data, plugin_data_file] can be used',
    )
  }
  return {
    type,
    name,
    isEnabled: config.enabled ?? true,
    command: config.plugin_cmd,
    args: config.plugin_args,
    checksum: config.plugin_checksum,
    data: config.plugin_data,
    dataFile: config.plugin_data_file,
  }
}

function invalid(message: string): ConfigError {
  return new ConfigError('ERR_CONFIG_VALUE', message)
}
