import type { Clock } from '@mini-spire/runtime/clock'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { type Metrics, noMetrics } from '@mini-spire/runtime/telemetry/metrics'
import { type AgentStorage, BootstrapUse } from '../storage/agent-state.ts'

const yearOneSeconds = -62_135_596_800

/** Options of {@link BootstrapState}. */
export interface BootstrapStateOptions {
  readonly storage: AgentStorage
  readonly clock: Clock
  readonly log: Logger
  /** @default nothing is counted */
  readonly metrics?: Metrics
}

/** How far a bootstrap has come, across restarts: for which reason, since when, how many attempts. */
export class BootstrapState {
  readonly #storage: AgentStorage
  readonly #clock: Clock
  readonly #log: Logger
  readonly #metrics: Metrics

  constructor(options: BootstrapStateOptions) {
    this.#storage = options.storage
    this.#clock = options.clock
    this.#log = options.log
    this.#metrics = options.metrics ?? noMetrics
  }

  /** Whether there was a bundle already, and another is wanted. */
  get isRebootstrap(): boolean {
    const { bootstrapUse, bundle } = this.#storage.state
    if (bootstrapUse !== BootstrapUse.Unspecified) return bootstrapUse === BootstrapUse.Rebootstrap
    return bundle.length > 0
  }

  get attempts(): number {
    return this.#storage.state.connectionAttempts
  }

  /** When it began; begins it when it has not. */
  async startTime(): Promise<Date> {
    const { bootstrapStartTime } = this.#storage.state
    if (bootstrapStartTime) return bootstrapStartTime
    const now = this.#clock.now()
    await this.#storage.update({ bootstrapUse: this.#use, bootstrapStartTime: now })
    this.#count()
    return now
  }

  /** Counts an attempt to get a bundle. */
  async begin(): Promise<void> {
    await this.#storage.update({
      bootstrapUse: this.#use,
      bootstrapStartTime: this.#storage.state.bootstrapStartTime ?? this.#clock.now(),
      connectionAttempts: this.attempts + 1,
    })
    this.#count()
    const what = this.isRebootstrap ? 'reattestation' : 'attestation'
    const started = this.#storage.state.bootstrapStartTime?.toISOString()
    this.#log.info(`Server ${what} attempt ${this.attempts}. Started ${started}.`)
  }

  /** Ends it: bundle and server agree. */
  async succeed(): Promise<void> {
    const { bootstrapStartTime, bootstrapUse } = this.#storage.state
    if (!bootstrapStartTime && bootstrapUse === BootstrapUse.Rebootstrap) return
    await this.#storage.update({
      bootstrapUse: BootstrapUse.Rebootstrap,
      bootstrapStartTime: undefined,
      connectionAttempts: 0,
    })
    this.#count()
  }

  /** Forgets SVID and bundle, so that the next start asks the bootstrap source. */
  async force(): Promise<void> {
    await this.#storage.update({
      bootstrapUse: BootstrapUse.Rebootstrap,
      bootstrapStartTime: this.#clock.now(),
      connectionAttempts: 0,
      svid: [],
      isReattestable: false,
      bundle: [],
    })
    this.#count()
  }

  /** SPIRE's three gauges; a start that never was is the year 1, as Go counts it. */
  #count(): void {
    const { bootstrapStartTime: start, connectionAttempts } = this.#storage.state
    const labels = { mode: this.isRebootstrap ? 'rebootstrap' : 'bootstrap' }
    const seconds = start ? Math.floor(start.getTime() / 1000) : yearOneSeconds
    this.#metrics.gauge(['bootstrapped'], start ? 0 : 1)
    this.#metrics.gauge(['bootstrap_seconds'], seconds, labels)
    this.#metrics.gauge(['bootstrap_attempts'], connectionAttempts, labels)
  }

  get #use(): BootstrapUse {
    return this.isRebootstrap ? BootstrapUse.Rebootstrap : BootstrapUse.Bootstrap
  }
}
