import { type Clock, sleep } from '@mini-spire/runtime/clock'
import { formatGoDuration } from '@mini-spire/runtime/config/go-duration'
import type { Logger } from '@mini-spire/runtime/log/logger'
import type { TokenKey } from '../oidc/published-keys.ts'

/** Where keys are asked for. */
export interface KeySource {
  /** The keys as they are now, oldest first where that is known. A failure is logged, and undefined. */
  fetch(signal: AbortSignal): Promise<readonly TokenKey[] | undefined>
}

/** Options of {@link KeyPoller}. */
export interface KeyPollerOptions {
  readonly source: KeySource
  readonly intervalMs: number
  readonly clock: Clock
  readonly log: Logger
}

/** One question is given up after this time: SPIRE's provider would wait for ever, and show old keys as long. */
const timeoutMs = 30_000

/** Asks a source for its keys, again and again; what it said last stays until it says something else. */
export class KeyPoller {
  readonly #options: KeyPollerOptions
  #keys: readonly TokenKey[] | undefined
  #succeededAtMs: number | undefined

  constructor(options: KeyPollerOptions) {
    this.#options = options
  }

  /** Undefined before the first answer. */
  get keys(): readonly TokenKey[] | undefined {
    return this.#keys
  }

  /** When the source answered last; undefined: never. */
  get succeededAtMs(): number | undefined {
    return this.#succeededAtMs
  }

  /** Asks until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { intervalMs, clock, log } = this.#options
    log.debug('Polling started', { interval: formatGoDuration(BigInt(intervalMs) * 1_000_000n) })
    do await this.#poll(signal)
    while (await sleep(clock, intervalMs, signal))
    log.debug('Polling done', { error: 'context canceled' })
  }

  async #poll(signal: AbortSignal): Promise<void> {
    const { source, clock } = this.#options
    const giveUp = new AbortController()
    const timer = clock.setTimer(timeoutMs, () => giveUp.abort())
    try {
      const keys = await source.fetch(AbortSignal.any([signal, giveUp.signal]))
      if (!keys) return
      this.#keys = keys
      this.#succeededAtMs = clock.nowMs()
    } finally {
      timer.cancel()
    }
  }
}
