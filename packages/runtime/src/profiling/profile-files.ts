import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf } from '@mini-spire/sdk/errors'
import { type Clock, sleep } from '../clock.ts'
import type { Logger } from '../log/logger.ts'
import type { RuntimeProfiler } from './runtime-profiler.ts'

/** Options of {@link ProfileFiles}. */
export interface ProfileFilesOptions {
  readonly profiler: Pick<RuntimeProfiler, 'cpu' | 'heap'>
  /** Where SPIRE's daemons write theirs: `.profiles` below the working directory. */
  readonly folder: string
  /** Which daemon this is, for the files' names. */
  readonly tag: string
  readonly names: readonly string[]
  readonly frequencySeconds: number
  readonly clock: Clock
  readonly log: Logger
}

/** Writes profiles to files, time and again: `<folder>/<time>_<tag>_<name>.pb.gz`, as SPIRE names them. */
export class ProfileFiles {
  readonly #options: ProfileFilesOptions

  constructor(options: ProfileFilesOptions) {
    this.#options = options
  }

  /** Writes until the signal aborts; what is being taken then is not written. */
  async run(signal: AbortSignal): Promise<void> {
    const { profiler, folder, names, clock, log } = this.#options
    const [isCpu, isHeap] = [names.includes('cpu'), names.includes('heap')]
    const others = names.filter((name) => name !== 'cpu' && name !== 'heap')
    if (others.length > 0) {
      log.warn("Only profiles named cpu and heap are taken; others are of Go's runtime", {
        profiling_names: others.join(','),
      })
    }
    if (!isCpu && !isHeap) {
      log.warn('Failed to run profiling', { error: 'there are no dumpers active' })
      return
    }
    const periodMs = this.#options.frequencySeconds * 1000
    await mkdir(folder, { recursive: true, mode: 0o750 })
    while (!signal.aborted) {
      const [cpu] = await Promise.all([
        isCpu ? profiler.cpu(periodMs, signal) : undefined,
        sleep(clock, periodMs, signal),
      ])
      if (signal.aborted) return
      const time = timestamp(clock.now())
      if (cpu) await this.#write(time, 'cpu', cpu)
      if (isHeap) await this.#write(time, 'heap', await profiler.heap())
    }
  }

  async #write(time: string, name: string, profile: Uint8Array): Promise<void> {
    const { folder, tag, log } = this.#options
    const path = join(folder, `${time}_${tag}_${name}.pb.gz`)
    try {
      await writeFile(path, profile, { mode: 0o640 })
    } catch (error) {
      log.warn('Unable to write a profile', { path, error: messageOf(error) })
    }
  }
}

/** Local time, as in `2026-03-01_120000`. */
function timestamp(now: Date): string {
  const two = (number: number): string => String(number).padStart(2, '0')
  const day = [now.getFullYear(), two(now.getMonth() + 1), two(now.getDate())].join('-')
  return `${day}_${[now.getHours(), now.getMinutes(), now.getSeconds()].map(two).join('')}`
}
