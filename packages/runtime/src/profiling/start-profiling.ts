import { messageOf } from '@mini-spire/sdk/errors'
import type { Clock } from '../clock.ts'
import type { ProfilingConfig } from '../config/daemon-config.ts'
import type { Logger } from '../log/logger.ts'
import type { RuntimeProfiler } from './runtime-profiler.ts'

/** Options of {@link startProfiling}. */
export interface StartProfilingOptions {
  readonly config: ProfilingConfig
  /** Which daemon this is, for the names of files. */
  readonly tag: 'server' | 'agent'
  /** Where files are written. @default `.profiles` below the working directory, as SPIRE's */
  readonly folder?: string
  readonly clock: Clock
  readonly log: Logger
}

/** Serves and writes profiles where the configuration asks for it. What cannot be had is a warning, as in SPIRE. */
export async function startProfiling(options: StartProfilingOptions): Promise<AsyncDisposable> {
  const { isEnabled, port, frequency } = options.config
  if (!isEnabled || (port <= 0 && frequency <= 0)) return nothing
  const { RuntimeProfiler } = await import('./runtime-profiler.ts')
  const profiler = new RuntimeProfiler(options.clock)
  await profiler.start()
  const listener = port > 0 ? await serve(profiler, options) : nothing
  const files = frequency > 0 ? await write(profiler, options) : nothing
  const close = async (): Promise<void> => {
    await files[Symbol.asyncDispose]()
    await listener[Symbol.asyncDispose]()
    profiler[Symbol.dispose]()
  }
  return { [Symbol.asyncDispose]: close }
}

const nothing: AsyncDisposable = { [Symbol.asyncDispose]: () => Promise.resolve() }

async function serve(
  profiler: RuntimeProfiler,
  { config, log }: StartProfilingOptions,
): Promise<AsyncDisposable> {
  const { ProfilingListener } = await import('./profiling-listener.ts')
  const listener = new ProfilingListener(profiler)
  try {
    const port = await listener.listen(config.port)
    log.info('Serving profiles', { address: `localhost:${port}`, path: '/debug/pprof/' })
    return listener
  } catch (error) {
    log.warn('Unable to serve profiling server', { error: messageOf(error) })
    return nothing
  }
}

async function write(
  profiler: RuntimeProfiler,
  { config, tag, folder = '.profiles', clock, log }: StartProfilingOptions,
): Promise<AsyncDisposable> {
  const { ProfileFiles } = await import('./profile-files.ts')
  const { names, frequency: frequencySeconds } = config
  const files = new ProfileFiles({ profiler, folder, tag, names, frequencySeconds, clock, log })
  const stopping = new AbortController()
  const running = files.run(stopping.signal).catch((error: unknown) => {
    log.warn('Failed to run profiling', { error: messageOf(error) })
  })
  const close = async (): Promise<void> => {
    stopping.abort()
    await running
  }
  return { [Symbol.asyncDispose]: close }
}
