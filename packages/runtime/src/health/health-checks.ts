import { messageOf } from '@mini-spire/sdk/errors'
import { type Clock, sleep } from '../clock.ts'
import type { Logger } from '../log/logger.ts'

/** What a check found. */
export interface CheckResult {
  readonly isLive: boolean
  readonly isReady: boolean
  /** What `/live` and `/ready` show for it; empty when all is well. */
  readonly details?: Readonly<Record<string, unknown>>
}

/** Something of a daemon whose health is asked for now and then. */
export interface HealthCheck {
  /** `server.ca` */
  readonly name: string
  check(signal: AbortSignal): CheckResult | Promise<CheckResult>
}

/** What all checks together say, from their last run. */
export interface HealthState {
  readonly isLive: boolean
  readonly isReady: boolean
  readonly details: Readonly<Record<string, Readonly<Record<string, unknown>>>>
}

/** Between runs: while something is not well at the start, and afterwards. */
const intervalMs = { starting: 1_000, settled: 60_000 }

/** Runs the checks now and then, and remembers what they said: a probe never waits for them. */
export class HealthChecks {
  readonly #checks: readonly HealthCheck[]
  readonly #clock: Clock
  readonly #log: Logger
  #state: HealthState = { isLive: false, isReady: false, details: {} }

  constructor(options: {
    readonly checks: readonly HealthCheck[]
    readonly clock: Clock
    readonly log: Logger
  }) {
    this.#checks = options.checks
    this.#clock = options.clock
    this.#log = options.log
  }

  /** The last result; neither live nor ready before there is one. */
  get state(): HealthState {
    return this.#state
  }

  /** Runs until the signal aborts: every second until all is well for the first time, then every minute. */
  async run(signal: AbortSignal): Promise<void> {
    let hasSettled = false
    while (!signal.aborted) {
      await this.checkNow(signal)
      hasSettled ||= this.#state.isLive && this.#state.isReady
      const waitMs = hasSettled ? intervalMs.settled : intervalMs.starting
      if (!(await sleep(this.#clock, waitMs, signal))) return
    }
  }

  /** Runs every check once, now. */
  async checkNow(signal: AbortSignal): Promise<void> {
    const results = await Promise.all(this.#checks.map((check) => this.#runOne(check, signal)))
    this.#state = {
      isLive: results.every(({ isLive }) => isLive),
      isReady: results.every(({ isReady }) => isReady),
      details: Object.fromEntries(
        results.map(({ details = {} }, index) => [this.#checks[index]?.name ?? '', details]),
      ),
    }
  }

  async #runOne(check: HealthCheck, signal: AbortSignal): Promise<CheckResult> {
    try {
      const result = await check.check(signal)
      if (!result.isLive || !result.isReady) {
        this.#log.warn('Health check failed', { check: check.name, details: result.details })
      }
      return result
    } catch (error) {
      const details = { error: messageOf(error) }
      this.#log.warn('Health check failed', { check: check.name, details })
      return { isLive: false, isReady: false, details }
    }
  }
}
