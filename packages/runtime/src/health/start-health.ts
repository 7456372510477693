import type { Clock } from '../clock.ts'
import type { HealthChecksConfig } from '../config/daemon-config.ts'
import type { Logger } from '../log/logger.ts'
import { type HealthCheck, HealthChecks } from './health-checks.ts'
import { HealthListener } from './health-listener.ts'

/** Options of {@link startHealth}. */
export interface StartHealthOptions {
  readonly config: HealthChecksConfig
  readonly checks: readonly HealthCheck[]
  readonly clock: Clock
  readonly log: Logger
  /** Ends the checks when it aborts. */
  readonly signal: AbortSignal
}

/** Health checks that run; disposing them closes the listener. */
export interface RunningHealth extends AsyncDisposable {
  /** Resolves when the signal has aborted. */
  readonly running: Promise<void>
}

/**
 * Runs a daemon's health checks, and answers probes where the configuration asks for it.
 *
 * @throws when the listener's address cannot be bound
 */
export async function startHealth(options: StartHealthOptions): Promise<RunningHealth> {
  const { config, clock, log, signal } = options
  const { isListenerEnabled, bindAddress: host, bindPort, livePath, readyPath } = config
  const checks = new HealthChecks({ checks: options.checks, clock, log })
  const running = checks.run(signal)
  if (!isListenerEnabled) return { running, [Symbol.asyncDispose]: () => Promise.resolve() }
  const port = Number(bindPort)
  const listener = new HealthListener({ host, port, livePath, readyPath, checks })
  const bound = await listener.listen()
  log.info('Serving health checks', { address: `${bound.host}:${bound.port}` })
  return { running, [Symbol.asyncDispose]: async () => await listener[Symbol.asyncDispose]() }
}
