import type { Clock } from '@mini-spire/runtime/clock'
import type { UnixPeer } from '@mini-spire/runtime/grpc/call-context'
import type { Logger } from '@mini-spire/runtime/log/logger'
import {
  type Metrics,
  measureCall,
  noMetrics,
  statusOf,
  timeCall,
} from '@mini-spire/runtime/telemetry/metrics'
import { messageOf } from '@mini-spire/sdk/errors'
import type { Selector } from '../model/selector.ts'
import { SelectorSet } from '../model/selector-set.ts'
import type {
  WorkloadAttestor,
  WorkloadProcess,
} from '../plugins/workload-attestor/workload-attestor.ts'
import { WorkloadAttestationError } from './workload-attestation-error.ts'

/** How long one attestor may take, unless it says so itself; its selectors are then left out, as if it had failed. */
const attestorTimeoutMs = 20_000
/** How many selector sets are remembered, so that equal workloads share one object. */
const maxKnownSets = 1024
const attestationKey = ['workload_api', 'workload_attestation']
const attestorKey = ['workload_api', 'workload_attestor']
const selectorsKey = ['workload_api', 'discovered_selectors']

/** Options of {@link WorkloadAttestation}. */
export interface WorkloadAttestationOptions {
  readonly attestors: readonly WorkloadAttestor[]
  readonly clock: Clock
  readonly log: Logger
  /** The agent's own process, whose calls (health checks) are not logged. */
  readonly ownPid: number
  /** @default nothing is counted */
  readonly metrics?: Metrics
}

/** Finds out what a caller is, each time it asks: nothing is remembered of a process. */
export class WorkloadAttestation {
  readonly #options: WorkloadAttestationOptions
  readonly #known = new Map<string, SelectorSet>()

  constructor(options: WorkloadAttestationOptions) {
    this.#options = options
  }

  /**
   * Runs all attestors at once and returns everything they found. Those that fail are logged and left out.
   *
   * That the caller is still the process that connected is checked afterwards: what was found is about it.
   *
   * @throws {WorkloadAttestationError} `ERR_WORKLOAD_ATTESTATION_FAILED` when every attestor failed, `ERR_WORKLOAD_GONE`
   */
  attest(peer: UnixPeer, signal: AbortSignal): Promise<SelectorSet> {
    return this.#timed(peer, async () => {
      const found = await this.#find(peer, signal)
      this.assertSame(peer)
      return this.#report(peer, found)
    })
  }

  /**
   * The same for a process that somebody names by its number. Whether the number goes on to mean that process is for whoever
   * named it to know.
   *
   * @throws {WorkloadAttestationError} `ERR_WORKLOAD_ATTESTATION_FAILED` when every attestor failed
   */
  attestNamed(process: WorkloadProcess, signal: AbortSignal): Promise<SelectorSet> {
    return this.#timed(process, async () =>
      this.#report(process, await this.#find(process, signal)),
    )
  }

  #timed(process: WorkloadProcess, work: () => Promise<SelectorSet>): Promise<SelectorSet> {
    const { metrics = noMetrics, ownPid, clock } = this.#options
    if (metrics === noMetrics || process.pid === ownPid) return work()
    return timeCall(metrics, clock, attestationKey, work)
  }

  async #find(process: WorkloadProcess, signal: AbortSignal): Promise<readonly Selector[]> {
    const { attestors } = this.#options
    const results = attestors.map((attestor) => this.#run(attestor, process, signal))
    const found: Selector[] = []
    const failures: string[] = []
    for (const result of results) {
      const selectors = result instanceof Promise ? await result : result
      if (typeof selectors === 'string') failures.push(selectors)
      else found.push(...selectors)
    }
    if (failures.length === results.length) {
      throw new WorkloadAttestationError('ERR_WORKLOAD_ATTESTATION_FAILED', failures.join('\n'))
    }
    return found
  }

  #report(process: WorkloadProcess, found: readonly Selector[]): SelectorSet {
    const { ownPid, metrics = noMetrics } = this.#options
    if (process.pid !== ownPid) metrics.sample(selectorsKey, found.length)
    const set = this.#setOf(found)
    this.#logFound(process, found)
    return set
  }

  /**
   * Checks that the process that connected still holds the connection: alive, the same executable, the same rights. To be
   * asked before each answer of a long stream, which a process could leave to another by exec or fork.
   *
   * @throws {WorkloadAttestationError} `ERR_WORKLOAD_GONE`
   */
  assertSame(peer: UnixPeer): void {
    try {
      peer.assertAlive()
    } catch (error) {
      throw new WorkloadAttestationError(
        'ERR_WORKLOAD_GONE',
        `could not verify existence of the original caller: ${messageOf(error)}`,
        { cause: error },
      )
    }
  }

  /** Selectors, or the reason there are none; never rejects. */
  #run(
    attestor: WorkloadAttestor,
    { pid, uid, gid }: WorkloadProcess,
    signal: AbortSignal,
  ): readonly Selector[] | string | Promise<readonly Selector[] | string> {
    const process: WorkloadProcess = { pid, uid, gid }
    const count = this.#callCounter(attestor, process)
    const failed = (error: unknown): string => {
      count?.(statusOf(error))
      return this.#failed(attestor, process, error)
    }
    try {
      const result = attestor.attest(process, signal)
      if (result instanceof Promise) {
        return this.#withDeadline(attestor, result).then((selectors) => {
          count?.(0)
          return selectors
        }, failed)
      }
      count?.(0)
      return result
    } catch (error) {
      return failed(error)
    }
  }

  /** Counts one call of an attestor when it has ended with this status; undefined where nobody looks. */
  #callCounter(
    attestor: WorkloadAttestor,
    { pid }: WorkloadProcess,
  ): ((code: number) => void) | undefined {
    const { metrics = noMetrics, clock, ownPid } = this.#options
    if (metrics === noMetrics || pid === ownPid) return undefined
    const startedMs = clock.nowMs()
    const labels = { attestor: attestor.name }
    return (code) =>
      measureCall(metrics, {
        key: attestorKey,
        durationMs: clock.nowMs() - startedMs,
        code,
        labels,
      })
  }

  #withDeadline<T>(attestor: WorkloadAttestor, result: Promise<T>): Promise<T> {
    const { timeoutMs = attestorTimeoutMs } = attestor
    return new Promise((resolve, reject) => {
      const timer = this.#options.clock.setTimer(timeoutMs, () =>
        reject(
          new WorkloadAttestationError(
            'ERR_WORKLOAD_ATTESTOR_TIMEOUT',
            `workloadattestor(${attestor.name}): no answer in ${timeoutMs / 1000} s`,
          ),
        ),
      )
      result.then(resolve, reject).finally(() => timer.cancel())
    })
  }

  #failed(attestor: WorkloadAttestor, { pid }: WorkloadProcess, error: unknown): string {
    const message = `workload attestor "${attestor.name}" failed`
    this.#options.log.error(message, { pid, error: messageOf(error) })
    return `${message}: ${messageOf(error)}`
  }

  #setOf(found: readonly Selector[]): SelectorSet {
    // Attestors report in the same order each time, so the plain text is as good a key as the sorted one, and cheaper.
    let text = ''
    for (const { type, value } of found) text += `${type}:${value}\u0000`
    const known = this.#known.get(text)
    if (known) return known
    const set = new SelectorSet(found)
    if (this.#known.size >= maxKnownSets) this.#known.clear()
    this.#known.set(text, set)
    return set
  }

  #logFound({ pid }: WorkloadProcess, found: readonly Selector[]): void {
    const { log, ownPid } = this.#options
    if (pid === ownPid || !log.isEnabled('debug')) return
    log.debug('PID attested to have selectors', { pid, selectors: found })
  }
}
