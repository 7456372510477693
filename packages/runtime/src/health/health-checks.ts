import { messageOf } from '@mini-spire/sdk/errors'
import { type Clock, sleep } from '../clock.ts'
import type { Logger } from '../log/logger.ts'

/** What a check found. */
export interface CheckResult {
  readonly isLive: boolean
  readonly isReady: boolean
  /** Whether that something is not well is no more than expected yet. @default false */
  readonly isStarting?: boolean
  /** What `/live` and `/ready` show for it; empty when all is well. */
  readonly details?: Readonly<Record<string, unknown>>
}

/** Something of a daemon whose health is asked for now and then. */
export interface HealthCheck {
  /** `server.ca` */
  readonly name: string
  /** Shown only when it has something to say: probes compare what is said when all is well. @default false */
  readonly isAside?: boolean
  check(signal: AbortSignal): CheckResult | Promise<CheckResult>
}

/** What all checks together say, from their last run. */
export interface HealthState {
  readonly isLive: boolean
  readonly isReady: boolean
  readonly details: Readonly<Record<string, Readonly<Record<string, unknown>>>>
}

/** A check that has been failing. */
interface Failing {
  readonly sinceMs: number
  readonly failures: number
  readonly error: string
}

/** Between runs: while something is not well at the start, and afterwards. */
const intervalMs = { starting: 1_000, settled: 60_000 }

/** Runs the checks now and then, and remembers what they said: a probe never waits for them. */
export class HealthChecks {
  readonly #checks: readonly HealthCheck[]
  readonly #clock: Clock
  readonly #log: Logger
  readonly #failing = new Map<string, Failing>()
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
    const shown = this.#checks.flatMap(({ name, isAside = false }, index) => {
      const { details = {} } = results[index] ?? {}
      return isAside && Object.keys(details).length === 0 ? [] : [[name, details] as const]
    })
    this.#state = {
      isLive: results.every(({ isLive }) => isLive),
      isReady: results.every(({ isReady }) => isReady),
      details: Object.fromEntries(shown),
    }
  }

  async #runOne(check: HealthCheck, signal: AbortSignal): Promise<CheckResult> {
    const result = await resultOf(check, signal)
    this.#logChange(check.name, result)
    return result
  }

  /** Says each time that something is not well; what exactly, once; and when it is well again. */
  #logChange(check: string, { isLive, isReady, isStarting, details = {} }: CheckResult): void {
    const before = this.#failing.get(check)
    const nowMs = this.#clock.nowMs()
    if (isLive && isReady) {
      if (!before) return
      const { error, failures, sinceMs } = before
      this.#failing.delete(check)
      const duration = (nowMs - sinceMs) / 1000
      this.#log.info('Health check recovered', { check, details, error, failures, duration })
      return
    }
    const missing = [...(isLive ? [] : ['live']), ...(isReady ? [] : ['ready'])]
    const error = `subsystem is not ${missing.join(' or ')}`
    if (!isStarting) this.#log.error('Health check has failed', { check, error })
    else if (before?.error !== error)
      this.#log.warn('Health check has failed. Starting up still.', { check, error })
    if (!before) this.#log.warn('Health check failed', { check, details, error })
    const { sinceMs = nowMs, failures = 0 } = before ?? {}
    this.#failing.set(check, { sinceMs, failures: failures + 1, error })
  }
}

async function resultOf(check: HealthCheck, signal: AbortSignal): Promise<CheckResult> {
  try {
    return await check.check(signal)
  } catch (error) {
    return { isLive: false, isReady: false, details: { error: messageOf(error) } }
  }
}
