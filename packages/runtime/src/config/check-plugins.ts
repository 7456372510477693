import { quoteGo } from '../go-quote.ts'
import { ConfigError } from './config-error.ts'
import type { PluginConfig } from './plugin-config.ts'

/** What a daemon knows about one type of plugin. */
export interface PluginKind {
  readonly type: string
  readonly min: number
  readonly max: number
  /** Built in, and built by us. */
  readonly supported: readonly string[]
  /** Built into SPIRE, and not yet into this program. */
  readonly unsupported: readonly string[]
  /** Why there can be no plugin of the type in a program of its own; left out where there can. */
  readonly whyNotExternal?: string
}

/** A violated rule about how many plugins of a type there may be. */
export interface PluginCountProblem {
  readonly type: string
  /** `expected exactly 1 but got 2` */
  readonly problem: string
}

/**
 * Checks that every plugin is of a known type and that this program has it.
 *
 * Disabled plugins need a known type and nothing else.
 *
 * @throws {ConfigError} SPIRE's text for what SPIRE does not know, our own for what only we lack
 */
export function checkPluginNames(
  plugins: readonly PluginConfig[],
  kinds: readonly PluginKind[],
): void {
  for (const plugin of plugins) {
    const kind = kinds.find(({ type }) => type === plugin.type)
    if (!kind) throw unsupported(`unsupported plugin type ${quoteGo(plugin.type)}`)
    if (!plugin.isEnabled) continue
    const { name } = plugin
    const failed = `failed to load plugin ${quoteGo(name)}: `
    if (plugin.command !== '') {
      checkExternal(plugin, kind)
      continue
    }
    if (kind.supported.includes(name)) continue
    throw unsupported(
      kind.unsupported.includes(name)
        ? `${failed}the ${kind.type} ${quoteGo(name)} is not supported by mini-spire yet`
        : `${failed}no built-in plugin ${quoteGo(name)} for type ${quoteGo(kind.type)}`,
    )
  }
}

function checkExternal({ name }: PluginConfig, { type, whyNotExternal }: PluginKind): void {
  if (type === 'NodeAttestor' && name === 'join_token') {
    throw unsupported(
      'the built-in join_token node attestor cannot be overridden by an external plugin',
    )
  }
  if (whyNotExternal !== undefined) throw unsupported(whyNotExternal)
}

/** Which types have too few or too many enabled plugins. */
export function countProblems(
  plugins: readonly PluginConfig[],
  kinds: readonly PluginKind[],
): readonly PluginCountProblem[] {
  return kinds.flatMap((kind) => {
    const count = plugins.filter(({ type, isEnabled }) => type === kind.type && isEnabled).length
    if (count >= kind.min && count <= kind.max) return []
    const expected =
      kind.min === kind.max
        ? `exactly ${kind.min}`
        : count < kind.min
          ? `at least ${kind.min}`
          : `at most ${kind.max}`
    return [{ type: kind.type, problem: `expected ${expected} but got ${count}` }]
  })
}

/**
 * As {@link checkPluginNames}, and counts too: what a daemon that starts asks for.
 *
 * @throws {ConfigError}
 */
export function checkPlugins(plugins: readonly PluginConfig[], kinds: readonly PluginKind[]): void {
  checkPluginNames(plugins, kinds)
  const [first] = countProblems(plugins, kinds)
  if (first) {
    throw new ConfigError(
      'ERR_CONFIG_VALUE',
      `plugin type ${quoteGo(first.type)} constraint not satisfied: ${first.problem}`,
    )
  }
}

function unsupported(message: string): ConfigError {
  return new ConfigError('ERR_CONFIG_UNSUPPORTED', message)
}
