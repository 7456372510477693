import { readConfigFile } from '@mini-spire/runtime/config/config-file'
import { refuseKeys } from '@mini-spire/runtime/config/refused-keys'
import type { RootLogger } from '@mini-spire/runtime/log/log-control'
import { type AgentFlags, decodeAgentFile, mergeAgent } from './agent-file.ts'
import { type ResolveOptions, resolveAgentConfig } from './resolve.ts'
import type { ResolvedAgentConfig } from './resolved-config.ts'
import { refusedKeys } from './unsupported.ts'

/** Where SPIRE looks for the file, relative to the working directory. */
export const defaultAgentConfigPath = 'conf/agent/agent.conf'

/** Options of {@link loadAgentConfig}. */
export interface LoadAgentConfigOptions extends ResolveOptions {
  /** Empty: {@link defaultAgentConfigPath}. */
  readonly path: string
  readonly flags: AgentFlags
  /** Variables for `-expandEnv`; undefined: the file is taken as it is. */
  readonly environment?: { readonly [name: string]: string | undefined }
}

/**
 * Reads an agent's configuration: file, flags, defaults, checks, warnings.
 *
 * Which plugins there are is checked by `checkPlugins` with `agentPluginKinds`, when the agent starts.
 *
 * @throws {ConfigError} with SPIRE's message for the first thing that is wrong
 */
export function loadAgentConfig(options: LoadAgentConfigOptions): {
  readonly config: ResolvedAgentConfig
  readonly log: RootLogger
} {
  const { environment } = options
  const path = options.path || defaultAgentConfigPath
  const given = readConfigFile({ path, ...(environment ? { environment } : {}) }, decodeAgentFile)
  const file = mergeAgent(given, options.flags)
  const resolved = resolveAgentConfig(file, options)
  refuseKeys(refusedKeys, file)
  return resolved
}
