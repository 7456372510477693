import { messageOf } from '@mini-spire/sdk/errors'
import type { Logger } from './log/logger.ts'

/** A part of a daemon that is started and stopped. */
export interface Part {
  readonly name: string
  /** Resolves when others may rely on it. */
  start?(signal: AbortSignal): Promise<void>
  /** Runs until its signal aborts; ending earlier, well or badly, stops the daemon. */
  run?(signal: AbortSignal): Promise<void>
  /** Called once, after `run` has ended, if `start` succeeded; parts that came later have been stopped by then. */
  stop?(): Promise<void>
}

/**
 * Starts parts in order, runs them together, and stops them in the opposite order when one fails or the signal aborts.
 *
 * Every long promise of a daemon belongs to a part, so none is lost and the first failure is what is reported.
 *
 * @throws what the first failing part threw; errors of stopping are logged, and thrown only if nothing else was
 * @example
 * await runParts([store, authorities, host], { signal, log })
 */
export async function runParts(
  parts: readonly Part[],
  options: { readonly signal: AbortSignal; readonly log: Logger },
): Promise<void> {
  const started: RunningPart[] = []
  const failures: unknown[] = []
  const ending = new AbortController()
  const end = (): void => ending.abort()
  options.signal.addEventListener('abort', end, { once: true })
  if (options.signal.aborted) end()
  const fail = (error: unknown): void => {
    if (!ending.signal.aborted) failures.push(error)
    end()
  }
  for (const part of parts) {
    if (ending.signal.aborted) break
    try {
      await part.start?.(ending.signal)
      started.push(new RunningPart(part, fail))
    } catch (error) {
      fail(error)
    }
  }
  await aborted(ending.signal)
  for (const part of started.reverse()) {
    try {
      await part.stop()
    } catch (error) {
      options.log.error('Failed to stop', { part: part.name, error: messageOf(error) })
      failures.push(error)
    }
  }
  options.signal.removeEventListener('abort', end)
  if (failures.length > 0) throw failures[0]
}

/** A part that has started; each has its own signal, so that they end one after the other. */
class RunningPart {
  readonly name: string
  readonly #part: Part
  readonly #ending = new AbortController()
  readonly #running: Promise<void>

  constructor(part: Part, fail: (error: unknown) => void) {
    this.name = part.name
    this.#part = part
    this.#running = this.#run(fail)
  }

  async stop(): Promise<void> {
    this.#ending.abort()
    await this.#running
    await this.#part.stop?.()
  }

  async #run(fail: (error: unknown) => void): Promise<void> {
    if (!this.#part.run) return
    try {
      await this.#part.run(this.#ending.signal)
      if (!this.#ending.signal.aborted) fail(new Error(`${this.name} ended`))
    } catch (error) {
      if (!this.#ending.signal.aborted) fail(error)
    }
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
