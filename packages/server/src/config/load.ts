import { readConfigFile } from '@mini-spire/runtime/config/config-file'
import { refuseKeys } from '@mini-spire/runtime/config/refused-keys'
import type { RootLogger } from '@mini-spire/runtime/log/log-control'
import { checkDataStore, isReadable } from './data-store.ts'
import { type ResolveOptions, resolveServerConfig } from './resolve.ts'
import type { ResolvedServerConfig } from './resolved-config.ts'
import { decodeServerFile, mergeServer, type ServerFlags } from './server-file.ts'
import { refusedKeys } from './unsupported.ts'

/** Where SPIRE looks for the file, relative to the working directory. */
export const defaultServerConfigPath = 'conf/server/server.conf'

/** Options of {@link loadServerConfig}. */
export interface LoadServerConfigOptions extends ResolveOptions {
  /** Empty: {@link defaultServerConfigPath}. */
  readonly path: string
  readonly flags: ServerFlags
  /**
   * What for: `import` needs no more of the configuration than says where data is and of what; `validate` says what is
   * wrong with the data of `DataStore "sql"` among that of other plugins. @default 'run'
   */
  readonly purpose?: 'run' | 'import' | 'validate'
  /** Variables for `-expandEnv`; undefined: the file is taken as it is. */
  readonly environment?: { readonly [name: string]: string | undefined }
}

/**
 * Reads a server's configuration: file, flags, defaults, checks, warnings.
 *
 * Which plugins there are is checked by `checkPlugins` with `serverPluginKinds`, once their catalog is built.
 *
 * @throws {ConfigError} with SPIRE's message for the first thing that is wrong
 */
export async function loadServerConfig(
  options: LoadServerConfigOptions,
): Promise<{ readonly config: ResolvedServerConfig; readonly log: RootLogger }> {
  const { environment } = options
  const path = options.path || defaultServerConfigPath
  const given = readConfigFile({ path, ...(environment ? { environment } : {}) }, decodeServerFile)
  const file = mergeServer(given, options.flags)
  const resolved = await resolveServerConfig(file, options)
  if (options.purpose === 'import') return resolved
  refuseKeys(refusedKeys, file)
  const { plugins } = resolved.config
  if (options.purpose !== 'validate' || isReadable(plugins)) checkDataStore(plugins, path)
  return resolved
}
