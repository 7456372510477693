import { messageOf, SpiffeError } from '@mini-spire/sdk/errors'
import { Backoff } from '../backoff.ts'
import { sleep } from '../clock.ts'
import { type ClientOf, createClient, GrpcError } from '../grpc/client.ts'
import type { ServiceDefinition } from '../grpc/service.ts'
import {
  ConfigurationClient,
  type PluginConfiguration,
  type PluginValidation,
} from './configuration-client.ts'
import { configurationService } from './configuration-service.ts'
import { PluginCallError, PluginError } from './plugin-error.ts'
import { PluginProcess, type PluginProcessOptions } from './plugin-process.ts'

const firstRestartMs = 1_000
const longestRestartMs = 60_000
/** A plugin that ran as long as this is started again as if it had never failed. */
const steadyMs = 60_000

/** What an {@link ExternalPlugin} is made of. */
export interface ExternalPluginOptions extends PluginProcessOptions {
  /** A number in [0, 1), anew at each call: spreads restarts. */
  readonly chance: () => number
}

/**
 * A plugin in a process of its own, built with SPIRE's plugin SDK or to its rules.
 *
 * When the process ends by itself it is started again, with growing delays, and configured as it was; until then calls
 * fail with `ERR_PLUGIN_STOPPED`. What it answers is not trusted further than its interface goes: adapters check it.
 */
export class ExternalPlugin {
  readonly type: string
  readonly name: string
  /** Full names of the services that it has. */
  readonly services: ReadonlySet<string>
  readonly #options: ExternalPluginOptions
  readonly #stopping = new AbortController()
  readonly #clients = new WeakMap<PluginProcess, Map<ServiceDefinition, unknown>>()
  #running: PluginProcess | undefined
  #configuration: PluginConfiguration | undefined
  #supervision: Promise<void> = Promise.resolve()

  private constructor(
    options: ExternalPluginOptions,
    running: PluginProcess,
    services: readonly string[],
  ) {
    this.#options = options
    this.type = options.type
    this.name = options.name
    this.services = new Set(services)
    this.#running = running
  }

  /**
   * Starts a plugin and asks what it has.
   *
   * @throws {PluginError} when it cannot be started
   * @throws {GrpcError} when it refuses to be initialized
   */
  static async load(options: ExternalPluginOptions): Promise<ExternalPlugin> {
    const { running, services } = await begin(options)
    const plugin = new ExternalPlugin(options, running, services)
    plugin.#supervision = plugin.#supervise(running)
    return plugin
  }

  /** Whether it can be configured. */
  get isConfigurable(): boolean {
    return this.services.has(configurationService)
  }

  /** Configures the plugin; what it accepts is what it gets again after a restart. @throws {GrpcError} */
  async configure(configuration: PluginConfiguration): Promise<void> {
    await this.#configurationOf(this.#process()).configure(configuration)
    this.#configuration = configuration
  }

  /** Shows the plugin a configuration. @returns undefined when it cannot judge one */
  async validate(configuration: PluginConfiguration): Promise<PluginValidation | undefined> {
    return await this.#configurationOf(this.#process()).validate(configuration)
  }

  /**
   * A client of one of the plugin's services, for one call.
   *
   * @throws {PluginError} `ERR_PLUGIN_STOPPED` while the plugin is not running
   */
  client<D extends ServiceDefinition>(definition: D): ClientOf<D> {
    const process = this.#process()
    const clients = this.#clients.get(process) ?? new Map<ServiceDefinition, unknown>()
    this.#clients.set(process, clients)
    const known = clients.get(definition) as ClientOf<D> | undefined
    if (known) return known
    const made = createClient(definition, process.channel)
    clients.set(definition, made)
    return made
  }

  /** Does one call; what fails it carries the plugin's type and name. */
  async call<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw this.refusal(error)
    }
  }

  /** The answers of a stream; what fails them carries the plugin's type and name. */
  async *answers<T>(stream: AsyncIterable<T>): AsyncGenerator<T, void, undefined> {
    try {
      yield* stream
    } catch (error) {
      throw this.refusal(error)
    }
  }

  /** A failed call as the rest of the daemon sees it: `<type>(<name>): ` and the plugin's own text and kind. */
  refusal(error: unknown): unknown {
    if (!(error instanceof SpiffeError) || error instanceof PluginError) return error
    const text = error instanceof GrpcError ? error.statusMessage : error.message
    return new PluginCallError(error.kind, `${this.#prefix}${withoutPrefix(text, this)}`, {
      cause: error,
    })
  }

  /** An answer that the interface does not allow. */
  badAnswer(what: string): PluginError {
    return new PluginError('ERR_PLUGIN_RESPONSE', `${this.#prefix}${what}`)
  }

  /** Takes the plugin down: tells it, ends its process, kills it when it hangs. */
  async unload(): Promise<void> {
    this.#stopping.abort()
    const process = this.#running
    if (process) {
      const { log } = this.#options
      try {
        await this.#configurationOf(process).deinit()
        log.debug('Plugin deinitialized')
      } catch (error) {
        log.error('Failed to deinitialize plugin', { error: messageOf(error) })
      }
      await process.stop()
    }
    await this.#supervision
  }

  get #prefix(): string {
    return prefixOf(this)
  }

  #configurationOf({ channel }: PluginProcess): ConfigurationClient {
    return new ConfigurationClient(channel, this.#options.timeouts)
  }

  #process(): PluginProcess {
    if (this.#running) return this.#running
    const text = `${this.#prefix}the plugin has ended and is being started again`
    throw new PluginError('ERR_PLUGIN_STOPPED', text)
  }

  async #supervise(first: PluginProcess): Promise<void> {
    const { clock, chance, log } = this.#options
    const { signal } = this.#stopping
    const timing = { initialMs: firstRestartMs, maxMs: longestRestartMs, clock, chance }
    const backoff = new Backoff(timing)
    for (let current = first; ; ) {
      const startedMs = clock.nowMs()
      const why = await current.exited
      current.channel.close()
      this.#running = undefined
      if (signal.aborted) return
      log.error('plugin process exited', { error: why })
      if (clock.nowMs() - startedMs >= steadyMs) backoff.reset()
      const next = await this.#restart(backoff)
      if (!next) return
      current = next
    }
  }

  /** Starts the plugin until it runs; undefined when the daemon stops first. */
  async #restart(backoff: Backoff): Promise<PluginProcess | undefined> {
    const { clock, log } = this.#options
    const { signal } = this.#stopping
    for (;;) {
      if (!(await sleep(clock, backoff.next() ?? longestRestartMs, signal))) return undefined
      try {
        const { running } = await begin(this.#options)
        try {
          if (this.#configuration)
            await this.#configurationOf(running).configure(this.#configuration)
        } catch (error) {
          await running.kill()
          throw error
        }
        if (signal.aborted) {
          await running.stop()
          return undefined
        }
        this.#running = running
        log.info('Plugin restarted')
        return running
      } catch (error) {
        log.error('Failed to restart plugin', { error: messageOf(error) })
      }
    }
  }
}

/** Starts a process and initializes it; kills it when it refuses. */
async function begin(options: ExternalPluginOptions): Promise<{
  readonly running: PluginProcess
  readonly services: readonly string[]
}> {
  const running = await PluginProcess.start(options)
  try {
    const client = new ConfigurationClient(running.channel, options.timeouts)
    return { running, services: await client.init(running.hostServiceNames) }
  } catch (error) {
    await running.kill()
    throw error
  }
}

interface Named {
  readonly type: string
  readonly name: string
}

function prefixOf({ type, name }: Named): string {
  return `${type.toLowerCase()}(${name}): `
}

/** A text without what a plugin put in front of it itself. */
function withoutPrefix(text: string, plugin: Named): string {
  for (const prefix of [prefixOf(plugin), `${plugin.name}: `]) {
    if (text.startsWith(prefix)) return text.slice(prefix.length)
  }
  return text
}
