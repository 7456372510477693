import { Session } from 'node:inspector'
import { promisify } from 'node:util'
import { type Clock, sleep } from '../clock.ts'
import { encodePprof } from './pprof.ts'
import { cpuIntervalUs, cpuProfileOf, heapIntervalBytes, heapProfileOf } from './v8-profiles.ts'

/**
 * Takes profiles of this process, by the engine's own profiler. It is talked to inside the process: no debugger port is opened.
 *
 * From its start it notes one allocation in half a megabyte, which is what the heap's profile is made of.
 */
export class RuntimeProfiler implements Disposable {
  readonly #session = new Session()
  readonly #clock: Clock
  #isTakingCpu = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  async start(): Promise<void> {
    this.#session.connect()
    await this.#post('HeapProfiler.enable')
    await this.#post('HeapProfiler.startSampling', { samplingInterval: heapIntervalBytes })
  }

  /** Looks at what runs, for so long; undefined while another one does. Ends early when the signal aborts. */
  async cpu(durationMs: number, signal: AbortSignal): Promise<Uint8Array | undefined> {
    if (this.#isTakingCpu) return undefined
    this.#isTakingCpu = true
    try {
      const intervalUs = cpuIntervalUs(durationMs)
      await this.#post('Profiler.enable')
      await this.#post('Profiler.setSamplingInterval', { interval: intervalUs })
      const startMs = this.#clock.nowMs()
      await this.#post('Profiler.start')
      await sleep(this.#clock, durationMs, signal)
      const { profile } = await this.#post<{ profile: Parameters<typeof cpuProfileOf>[0] }>(
        'Profiler.stop',
      )
      await this.#post('Profiler.disable')
      return encodePprof(cpuProfileOf(profile, { startMs, intervalUs }))
    } finally {
      this.#isTakingCpu = false
    }
  }

  /** What is alive of what was allocated since the start; what is dead is collected first. */
  async heap(): Promise<Uint8Array> {
    const { profile } = await this.#post<{ profile: Parameters<typeof heapProfileOf>[0] }>(
      'HeapProfiler.getSamplingProfile',
    )
    return encodePprof(heapProfileOf(profile, this.#clock.nowMs()))
  }

  [Symbol.dispose](): void {
    this.#session.disconnect()
  }

  #post<T = unknown>(method: string, parameters: object = {}): Promise<T> {
    const post = promisify(this.#session.post.bind(this.#session)) as (
      method: string,
      parameters: object,
    ) => Promise<T>
    return post(method, parameters)
  }
}
