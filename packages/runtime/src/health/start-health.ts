import { messageOf } from '@mini-spire/sdk/errors'
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
 * Runs a daemon's health checks, and answers probes where the configuration asks for it. An address that cannot be had is
 * logged: who is probed in vain notices, and the daemon serves all the same.
 */
export async function startHealth(options: StartHealthOptions): Promise<RunningHealth> {
  const { config, clock, log, signal } = options
  const { isListenerEnabled, bindAddress, bindPort, livePath, readyPath } = config
  const checks = new HealthChecks({ checks: options.checks, clock, log })
  const running = checks.run(signal)
  const nothing = { running, [Symbol.asyncDispose]: () => Promise.resolve() }
  if (!isListenerEnabled) return nothing
  const host = bindAddress.replace(/^\[(.*)\]$/, '$1')
  const listener = new HealthListener({ host, port: Number(bindPort), livePath, readyPath, checks })
  const address = host.includes(':') ? `[${host}]:${bindPort}` : `${host}:${bindPort}`
  log.info('Serving health checks', { address })
  try {
    await listener.listen()
  } catch (error) {
    log.warn('Error serving health checks', { error: messageOf(error) })
    return nothing
  }
  return { running, [Symbol.asyncDispose]: async () => await listener[Symbol.asyncDispose]() }
}
