import { ConfigError } from '@mini-spire/runtime/config/config-error'
import { readConfigFile } from '@mini-spire/runtime/config/config-file'
import type { RootLogger } from '@mini-spire/runtime/log/log-control'
import { type AgentFile, type AgentFlags, decodeAgentFile, mergeAgent } from './agent-file.ts'
import { type ResolveOptions, resolveAgentConfig } from './resolve.ts'
import type { ResolvedAgentConfig } from './resolved-config.ts'

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
  refuseUnsupported(file)
  return resolved
}

/** Refuses what SPIRE would act on and this program cannot do yet. */
function refuseUnsupported(file: AgentFile): void {
  const { experimental } = file.agent
  const refused: readonly (readonly [string, boolean])[] = [
    ['experimental.broker', experimental.broker !== undefined],
    ['experimental.require_pq_kem', experimental.require_pq_kem],
    ['experimental.feature_flags "wit-svid"', experimental.feature_flags.includes('wit-svid')],
  ]
  for (const [key, isSet] of refused) {
    if (!isSet) continue
    throw new ConfigError('ERR_CONFIG_UNSUPPORTED', `${key} is not supported by mini-spire yet`)
  }
}
