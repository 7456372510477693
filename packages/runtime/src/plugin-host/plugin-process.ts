import type { ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { type Clock, sleep } from '../clock.ts'
import { type GrpcChannel, openLoopbackChannel, openUnixChannel } from '../grpc/client.ts'
import type { Logger } from '../log/logger.ts'
import { FrameworkClient } from './framework-client.ts'
import { type PluginAddress, parseHandshake, readHandshakeLine } from './handshake.ts'
import { type HostService, HostServices } from './host-services.ts'
import { type LaunchedProcess, launch } from './launcher.ts'
import { PluginError } from './plugin-error.ts'
import { discardOutput, logPluginOutput } from './plugin-log.ts'
import type { PluginTimeouts } from './plugin-timeouts.ts'
import { openProgram } from './program.ts'

/** The largest message that is taken from a plugin. */
const maxReceiveBytes = 16 * 1024 * 1024

/** Which program a plugin is. */
export interface PluginProgram {
  /** Such as `NodeAttestor`: also what tells a plugin that it was started by its host. */
  readonly type: string
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly checksum: Buffer | undefined
}

/** What a {@link PluginProcess} is made of. */
export interface PluginProcessOptions extends PluginProgram {
  readonly hostServices: readonly HostService[]
  /** What the plugin finds as its environment, beside what the handshake adds. */
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly clock: Clock
  /** With the fields that name the plugin. */
  readonly log: Logger
  /** Those fields: no field of the plugin's own replaces them. */
  readonly logFields: Readonly<Record<string, unknown>>
  /** Such as {@link defaultPluginTimeouts}. */
  readonly timeouts: PluginTimeouts
}

/** A plugin's program while it runs, and the connection to it. */
export class PluginProcess {
  /** Calls to the plugin's services go through it. */
  readonly channel: GrpcChannel
  /** The host services that the plugin may dial. */
  readonly hostServiceNames: readonly string[]
  /** Resolves to why it ended, such as `exit status 2` or `signal: killed`. Its directory is gone by then. */
  readonly exited: Promise<string>
  readonly #options: PluginProcessOptions
  readonly #child: ChildProcess
  readonly #framework: FrameworkClient
  readonly #ending = new AbortController()

  private constructor(
    options: PluginProcessOptions,
    parts: {
      readonly launched: LaunchedProcess
      readonly address: PluginAddress
      readonly hostServices: HostServices
      readonly exited: Promise<string>
    },
  ) {
    const { launched, address, hostServices, exited } = parts
    this.#options = options
    this.#child = launched.child
    this.channel = openPluginChannel(address)
    this.#framework = new FrameworkClient(this.channel)
    this.hostServiceNames = hostServices.names
    this.exited = exited.finally(() => this.#ending.abort())
    const { signal } = this.#ending
    void this.#framework.offerHostServices(hostServices.socketPath, signal)
    void this.#framework.discardOutput(options.clock, signal)
    void discardOutput(launched.stdout, options.clock)
  }

  /**
   * Starts the program and waits until it says where it listens.
   *
   * @throws {PluginError} `ERR_PLUGIN_LAUNCH`, `ERR_PLUGIN_CHECKSUM`, `ERR_PLUGIN_HANDSHAKE`
   */
  static async start(options: PluginProcessOptions): Promise<PluginProcess> {
    const { clock, log, hostServices: services } = options
    const directory = await mkdtemp(join(tmpdir(), 'spire-plugin-'))
    const cleanUp = async (): Promise<void> => {
      await hostServices?.[Symbol.asyncDispose]()
      await rm(directory, { recursive: true, force: true })
    }
    let hostServices: HostServices | undefined
    try {
      hostServices = await HostServices.serve({ services, directory, clock, log })
      const launched = await launchProgram(options, directory)
      const exited = exitOf(launched.child).then(async (why) => {
        await cleanUp()
        return why
      })
      const address = await shakeHands(launched, options)
      return new PluginProcess(options, { launched, address, hostServices, exited })
    } catch (error) {
      await cleanUp()
      throw error
    }
  }

  /** Ends the program: asks it to, and kills it when it does not listen. */
  async stop(): Promise<void> {
    const { clock, log, timeouts } = this.#options
    await this.#framework.shutdown(timeouts.exitMs)
    this.channel.close()
    const isGone = await within(this.exited, timeouts.exitMs, clock)
    if (!isGone) {
      log.warn('plugin failed to exit gracefully')
      this.#child.kill('SIGKILL')
    }
    await this.exited
  }

  /** Ends the program at once. */
  async kill(): Promise<void> {
    this.channel.close()
    this.#child.kill('SIGKILL')
    await this.exited
  }
}

async function launchProgram(
  options: PluginProcessOptions,
  directory: string,
): Promise<LaunchedProcess> {
  using program = await openProgram(options.command, options.checksum)
  const launched = await launch({
    program,
    args: options.args,
    environment: pluginEnvironment(options, directory),
  })
  const { name, clock, log } = options
  const subsystem_name = `${name}.${basename(program.path)}`
  const fields = { ...options.logFields, subsystem_name }
  logPluginOutput(launched.stderr, { log, fields, clock })
  return launched
}

function pluginEnvironment(
  { type, environment }: PluginProcessOptions,
  directory: string,
): Record<string, string> {
  const inherited = Object.entries(environment).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  )
  return {
    ...Object.fromEntries(inherited),
    [type]: type,
    PLUGIN_MIN_PORT: '10000',
    PLUGIN_MAX_PORT: '25000',
    PLUGIN_PROTOCOL_VERSIONS: '1',
    PLUGIN_UNIX_SOCKET_DIR: directory,
  }
}

async function shakeHands(
  { child, stdout }: LaunchedProcess,
  { clock, timeouts }: PluginProcessOptions,
): Promise<PluginAddress> {
  const done = new AbortController()
  const timeout = sleep(clock, timeouts.startMs, done.signal).then((hasPassed) => {
    if (!hasPassed) return new Promise<never>(() => {})
    throw new PluginError('ERR_PLUGIN_HANDSHAKE', 'timeout while waiting for plugin to start')
  })
  try {
    return parseHandshake(await Promise.race([readHandshakeLine(stdout), timeout]))
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  } finally {
    done.abort()
  }
}

function openPluginChannel(address: PluginAddress): GrpcChannel {
  return address.network === 'unix'
    ? openUnixChannel(address.path, { maxReceiveBytes })
    : openLoopbackChannel(address, { maxReceiveBytes })
}

function exitOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    const finish = (code: number | null, signal: string | null): void => {
      resolve(signal === null ? `exit status ${code}` : `signal: ${signal}`)
    }
    if (child.exitCode !== null || child.signalCode !== null) {
      finish(child.exitCode, child.signalCode)
    } else child.once('exit', finish)
  })
}

/** Whether a promise that never rejects settles in time. */
async function within(
  promise: Promise<unknown>,
  timeoutMs: number,
  clock: Clock,
): Promise<boolean> {
  const done = new AbortController()
  try {
    return await Promise.race([
      promise.then(() => true),
      sleep(clock, timeoutMs, done.signal).then(() => false),
    ])
  } finally {
    done.abort()
  }
}
