import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { isSpiffeError, messageOf } from '@mini-spire/sdk/errors'
import type { Clock } from '../clock.ts'
import type { Node } from '../config/ast.ts'
import { parseConfig } from '../config/parse.ts'
import type { PluginConfig } from '../config/plugin-config.ts'
import { printHcl } from '../config/print.ts'
import { quoteGo } from '../go-quote.ts'
import { GrpcError } from '../grpc/grpc-error.ts'
import { statusText } from '../grpc/status-text.ts'
import type { LogFields, Logger } from '../log/logger.ts'
import { osErrorText } from '../os-error.ts'
import { CatalogError } from './catalog-error.ts'
import { configurationService } from './configuration-service.ts'
import { type Exchangeable, exchangeable } from './exchangeable.ts'
import type { ExternalPlugin } from './external-plugin.ts'
import type { HostService } from './host-services.ts'
import { pluginDataProblem } from './plugin-data-problem.ts'
import { PluginError } from './plugin-error.ts'
import { defaultPluginTimeouts, type PluginTimeouts } from './plugin-timeouts.ts'
import { parseChecksum } from './program.ts'

/** Where one plugin comes from. */
export interface PluginSource<P extends object> {
  /** Makes it when it is built in; undefined when nothing of that name is. The log has the fields that name the plugin. */
  readonly create: ((data: Node | undefined, log: Logger) => P | Promise<P>) | undefined
  /** How a plugin in another process becomes one of the type. */
  readonly external: {
    /** Full name of the service that it needs to have. */
    readonly service: string
    readonly adapt: (plugin: ExternalPlugin) => P
  }
}

/** What a {@link PluginLoader} hands to plugins. */
export interface PluginLoaderOptions {
  /** Name of the trust domain. */
  readonly trustDomain: string
  readonly hostServices: readonly HostService[]
  /** The environment that external plugins inherit. */
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly clock: Clock
  readonly log: Logger
  /** A number in [0, 1), anew at each call. */
  readonly chance: () => number
  /** @default {@link defaultPluginTimeouts} */
  readonly timeouts?: PluginTimeouts
}

interface LoadedPlugin {
  readonly log: Logger
  unload(): Promise<void>
  /** Takes a new text of its configuration; undefined when it cannot be reconfigured. */
  readonly reconfigurable: Reconfigurable | undefined
}

interface Reconfigurable {
  readonly dataFile: string
  readonly configure: (text: string) => Promise<void>
  hash: string
}

/** Loads plugins, built in and external, configures them, and configures those with a file again when it changes. */
export class PluginLoader implements AsyncDisposable {
  readonly #options: PluginLoaderOptions
  readonly #loaded: LoadedPlugin[] = []
  #reconfiguring: Promise<void> = Promise.resolve()

  constructor(options: PluginLoaderOptions) {
    this.#options = options
  }

  /**
   * Loads and configures one plugin.
   *
   * @throws {CatalogError} `ERR_PLUGIN_UNKNOWN`, `ERR_PLUGIN_LOAD`, `ERR_PLUGIN_CONFIG`, in SPIRE's words where it has some
   */
  async load<P extends object>(config: PluginConfig, source: PluginSource<P>): Promise<P> {
    const fields = fieldsOf(config)
    const log = this.#options.log.with(fields)
    return config.command === ''
      ? await this.#loadBuiltIn(config, source, log)
      : await this.#loadExternal(config, source, { log, fields })
  }

  /**
   * Starts an external plugin, shows it its configuration, and ends it.
   *
   * @param service full name of the service that it needs to have
   * @returns what the plugin has against the configuration
   * @throws {CatalogError} `ERR_PLUGIN_LOAD` when it cannot be started or is of another type
   */
  async validate(config: PluginConfig, service: string): Promise<readonly string[]> {
    const fields = fieldsOf(config)
    const log = this.#options.log.with(fields)
    const plugin = await this.#start(config, log, fields)
    try {
      bind(plugin, service, log)
      return await this.#notesOf(config, plugin)
    } finally {
      await plugin.unload()
    }
  }

  /** Says of a plugin that the daemon does without that it is there. */
  noteBuiltIn(config: PluginConfig): void {
    const log = this.#options.log.with(fieldsOf(config))
    log.info('Configured plugin', { reconfigurable: false })
    log.info('Plugin loaded')
  }

  /** Reads the files of all plugins that have one, and configures those anew whose file has changed. Failures are logged. */
  reconfigure(): Promise<void> {
    this.#reconfiguring = this.#reconfiguring.then(async () => {
      for (const { reconfigurable, log } of this.#loaded) {
        if (reconfigurable) await reconfigure(reconfigurable, log)
      }
    })
    return this.#reconfiguring
  }

  /** Unloads everything, last first. Failures are logged. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reconfiguring
    for (const { log, unload } of this.#loaded.splice(0).reverse()) {
      log.debug('Unloading plugin')
      try {
        await unload()
        log.info('Plugin unloaded')
      } catch (error) {
        log.error('Failed to unload plugin', { error: messageOf(error) })
      }
    }
  }

  async #loadBuiltIn<P extends object>(
    config: PluginConfig,
    { create }: PluginSource<P>,
    log: Logger,
  ): Promise<P> {
    const { type, name } = config
    if (!create) {
      const text = `no built-in plugin ${quoteGo(name)} for type ${quoteGo(type)}`
      throw loadFailure(log, name, new CatalogError('ERR_PLUGIN_UNKNOWN', text))
    }
    const { dataFile } = config
    let made: Exchangeable<P> | undefined
    const configure = async (text: string): Promise<void> => {
      const next = await create(parseConfig(text), log)
      if (made) await made.replace(next)
      else made = exchangeable(next)
    }
    try {
      if (dataFile === undefined) made = exchangeable(await create(config.data, log))
      const hash = dataFile === undefined ? undefined : await configureFromFile(dataFile, configure)
      const plugin = (made as Exchangeable<P>).plugin
      const unload = async (): Promise<void> => await made?.dispose()
      this.#remember({ log, unload, dataFile, hash, configure })
      return plugin
    } catch (error) {
      throw configureFailure(log, name, error)
    }
  }

  async #loadExternal<P extends object>(
    config: PluginConfig,
    { external }: PluginSource<P>,
    { log, fields }: { readonly log: Logger; readonly fields: LogFields },
  ): Promise<P> {
    const { name } = config
    const plugin = await this.#start(config, log, fields)
    try {
      bind(plugin, external.service, log)
      const hash = await this.#configureExternal(config, plugin).catch((error: unknown) => {
        throw configureFailure(log, name, error)
      })
      const configure = (text: string): Promise<void> => this.#configure(plugin, text)
      const unload = (): Promise<void> => plugin.unload()
      this.#remember({ log, unload, dataFile: config.dataFile, hash, configure })
      return external.adapt(plugin)
    } catch (error) {
      await plugin.unload()
      throw error
    }
  }

  async #start(config: PluginConfig, log: Logger, fields: LogFields): Promise<ExternalPlugin> {
    const { type, name, command, args } = config
    try {
      const checksum = parseChecksum(config.checksum)
      if (!checksum) log.warn('Plugin checksum not configured')
      const program = { type, name, command, args, checksum }
      // It brings a gRPC client, which most servers and agents do without: a tenth of what they would load before they serve.
      const { ExternalPlugin } = await import('./external-plugin.ts')
      return await ExternalPlugin.load({
        timeouts: defaultPluginTimeouts,
        ...this.#options,
        ...program,
        log,
        logFields: fields,
      })
    } catch (error) {
      throw loadFailure(log, name, error)
    }
  }

  /** @returns the hash of the file that it was configured from */
  async #configureExternal(
    { data, dataFile }: PluginConfig,
    plugin: ExternalPlugin,
  ): Promise<string | undefined> {
    if (!plugin.isConfigurable) {
      if (printHcl(data) === '' && dataFile === undefined) return undefined
      throw new CatalogError('ERR_PLUGIN_LOAD', 'no supported configuration interface found')
    }
    if (dataFile !== undefined)
      return await configureFromFile(dataFile, (text) => this.#configure(plugin, text))
    await this.#configure(plugin, printHcl(data))
    return undefined
  }

  async #notesOf(config: PluginConfig, plugin: ExternalPlugin): Promise<readonly string[]> {
    if (!plugin.isConfigurable) return []
    const { data, dataFile } = config
    try {
      const hcl =
        dataFile === undefined
          ? printHcl(data)
          : await readData(dataFile, 'failed to read plugin configuration')
      const { trustDomain } = this.#options
      return (await plugin.validate({ trustDomain, hcl }))?.notes ?? []
    } catch (error) {
      return [messageOf(error)]
    }
  }

  async #configure(plugin: ExternalPlugin, hcl: string): Promise<void> {
    await plugin.configure({ trustDomain: this.#options.trustDomain, hcl })
  }

  #remember(loaded: {
    readonly log: Logger
    readonly unload: () => Promise<void>
    readonly dataFile: string | undefined
    readonly hash: string | undefined
    readonly configure: (text: string) => Promise<void>
  }): void {
    const { log, unload, dataFile, hash, configure } = loaded
    const reconfigurable =
      dataFile === undefined || hash === undefined ? undefined : { dataFile, hash, configure }
    this.#loaded.push({ log, unload, reconfigurable })
    log.info('Configured plugin', { reconfigurable: !!reconfigurable, ...(hash && { hash }) })
    log.info('Plugin loaded')
  }
}

function fieldsOf({ type, name, command }: PluginConfig): LogFields {
  return { external: command !== '', plugin_name: name, plugin_type: type }
}

/** Checks that a plugin is of the type that it was configured as. */
function bind(plugin: ExternalPlugin, service: string, log: Logger): void {
  if (!plugin.services.has(service)) {
    const names = [...plugin.services].map(quoteGo).join(' ')
    const text = `failed to bind plugin ${quoteGo(plugin.name)}: no supported plugin interface found in: [${names}]`
    log.error('Failed to bind plugin', { error: text })
    throw new CatalogError('ERR_PLUGIN_LOAD', text)
  }
  for (const other of [...plugin.services].sort()) {
    if (other === service || other === configurationService) continue
    log.warn('Unsupported plugin service found', { plugin_service: other })
  }
}

async function readData(dataFile: string, failure = 'failed to load plugin data'): Promise<string> {
  try {
    return await readFile(dataFile, 'utf8')
  } catch (cause) {
    const text = `${failure}: ${osErrorText('open', dataFile, cause)}`
    throw new CatalogError('ERR_PLUGIN_DATA', text, { cause })
  }
}

async function configureFromFile(
  dataFile: string,
  configure: (text: string) => Promise<void>,
): Promise<string> {
  const text = await readData(dataFile)
  await configure(text)
  return hashOf(text)
}

async function reconfigure(plugin: Reconfigurable, log: Logger): Promise<void> {
  try {
    const text = await readData(plugin.dataFile)
    const hash = hashOf(text)
    if (hash === plugin.hash) {
      log.info('Plugin not reconfigured since the config is unchanged', { hash })
      return
    }
    await plugin.configure(text)
    log.info('Plugin reconfigured', { old_hash: plugin.hash, new_hash: hash })
    plugin.hash = hash
  } catch (error) {
    log.error('Failed to reconfigure plugin', { error: answerText(error) })
  }
}

/** As SPIRE prints it: the first 16 bytes of SHA-512. */
function hashOf(text: string): string {
  return createHash('sha512').update(text).digest().subarray(0, 16).toString('hex')
}

function loadFailure(log: Logger, name: string, error: unknown): CatalogError {
  const why =
    error instanceof PluginError ? `failed to launch plugin: ${error.message}` : messageOf(error)
  log.error('Failed to load plugin', { error: why })
  const code = error instanceof CatalogError ? error.code : 'ERR_PLUGIN_LOAD'
  return new CatalogError(code, `failed to load plugin ${quoteGo(name)}: ${why}`, { cause: error })
}

function configureFailure(log: Logger, name: string, error: unknown): CatalogError {
  const why = answerText(error)
  log.error('Failed to configure plugin', { error: why })
  const text = `failed to configure plugin ${quoteGo(name)}: ${why}`
  return new CatalogError('ERR_PLUGIN_CONFIG', text, { cause: error })
}

/** What went wrong as SPIRE words it, where every plugin is called by gRPC. */
function answerText(error: unknown): string {
  if (error instanceof GrpcError) return error.message
  const isLocal = isSpiffeError(error, 'ERR_PLUGIN_DATA') || isSpiffeError(error, 'ERR_PLUGIN_LOAD')
  if (isLocal) return error.message
  // Whose configuration it is stands before it already.
  return statusText(error, pluginDataProblem(error).replace(/^[a-z]+\(\w+\): /, ''))
}
