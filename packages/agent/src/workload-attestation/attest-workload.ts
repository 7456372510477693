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
    const { metrics = noMetrics, ownPid } = this.#options
    if (metrics === noMetrics || peer.pid === ownPid) return this.#attest(peer, signal)
    return timeCall(metrics, this.#options.clock, attestationKey, () => this.#attest(peer, signal))
  }

  async #attest(peer: UnixPeer, signal: AbortSignal): Promise<SelectorSet> {
    const { attestors, ownPid, metrics = noMetrics } = this.#options
    const results = attestors.map((attestor) => this.#run(attestor, peer, signal))
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
    this.assertSame(peer)
    if (peer.pid !== ownPid) metrics.sample(selectorsKey, found.length)
    const set = this.#setOf(found)
    this.#logFound(peer, found)
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
    peer: UnixPeer,
    signal: AbortSignal,
  ): readonly Selector[] | string | Promise<readonly Selector[] | string> {
    const process: WorkloadProcess = { pid: peer.pid, uid: peer.uid, gid: peer.gid }
    const count = this.#callCounter(attestor, peer)
    const failed = (error: unknown): string => {
      count?.(statusOf(error))
      return this.#failed(attestor, peer, error)
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
  #callCounter(attestor: WorkloadAttestor, peer: UnixPeer): ((code: number) => void) | undefined {
    const { metrics = noMetrics, clock, ownPid } = this.#options
    if (metrics === noMetrics || peer.pid === ownPid) return undefined
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

  #failed(attestor: WorkloadAttestor, peer: UnixPeer, error: unknown): string {
    const message = `workload attestor "${attestor.name}" failed`
    this.#options.log.error(message, { pid: peer.pid, error: messageOf(error) })
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

  #logFound(peer: UnixPeer, found: readonly Selector[]): void {
    const { log, ownPid } = this.#options
    if (peer.pid === ownPid || !log.isEnabled('debug')) return
    log.debug('PID attested to have selectors', { pid: peer.pid, selectors: found })
  }
}
