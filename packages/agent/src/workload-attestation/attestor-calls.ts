import type { Clock } from '@mini-spire/runtime/clock'
import { statusText } from '@mini-spire/runtime/grpc/status-text'
import type { LogFields, Logger } from '@mini-spire/runtime/log/logger'
import {
  type Metrics,
  measureCall,
  noMetrics,
  statusOf,
} from '@mini-spire/runtime/telemetry/metrics'
import type { Selector } from '../model/selector.ts'
import type { WorkloadAttestor } from '../plugins/workload-attestor/workload-attestor.ts'
import { WorkloadAttestationError } from './workload-attestation-error.ts'

/** How long one attestor may take, unless it says so itself; its selectors are then left out, as if it had failed. */
const attestorTimeoutMs = 20_000
const attestorKey = ['workload_api', 'workload_attestor']

/** An attestor that could not say anything. */
export interface AttestorFailure {
  readonly attestor: string
  readonly error: unknown
}

/** What one attestor came to: selectors, a failure, or undefined when it had nothing to do with it. */
export type AttestorResult = readonly Selector[] | AttestorFailure | undefined

/** What an attestor is asked, and how. */
export interface AttestorQuestion {
  readonly ask: (attestor: WorkloadAttestor) => readonly Selector[] | Promise<readonly Selector[]>
  /** What the log calls the workload. */
  readonly fields: LogFields
  readonly isCounted: boolean
  /** Failures that only say that the question is for others. @default none */
  readonly isForOthers?: (error: unknown) => boolean
}

/** Options of {@link AttestorCalls}. */
export interface AttestorCallsOptions {
  readonly clock: Clock
  readonly log: Logger
  /** @default nothing is counted */
  readonly metrics?: Metrics
}

/** Calls of workload attestors: each with its deadline, counted, its failure logged. */
export class AttestorCalls {
  readonly #options: AttestorCallsOptions

  constructor(options: AttestorCallsOptions) {
    this.#options = options
  }

  /** Asks one attestor; never rejects. One that answers without waiting costs no turn of the loop. */
  run(
    attestor: WorkloadAttestor,
    question: AttestorQuestion,
  ): AttestorResult | Promise<AttestorResult> {
    const count = this.#callCounter(attestor, question)
    const failed = (error: unknown): AttestorFailure | undefined => {
      if (question.isForOthers?.(error)) {
        count?.(0)
        const text = `workload attestor "${attestor.name}" does not support reference attestation`
        this.#options.log.debug(text, { ...question.fields, error: statusText(error) })
        return undefined
      }
      count?.(statusOf(error))
      return this.#failed(attestor, question, error)
    }
    try {
      const result = question.ask(attestor)
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
    { isCounted }: AttestorQuestion,
  ): ((code: number) => void) | undefined {
    const { metrics = noMetrics, clock } = this.#options
    if (metrics === noMetrics || !isCounted) return undefined
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

  #failed(
    { name }: WorkloadAttestor,
    { fields }: AttestorQuestion,
    error: unknown,
  ): AttestorFailure {
    const message = `workload attestor "${name}" failed`
    this.#options.log.error(message, { ...fields, error: statusText(error) })
    return { attestor: name, error }
  }
}

/** Whether an attestor failed. */
export function isFailure(result: AttestorResult): result is AttestorFailure {
  return result !== undefined && !Array.isArray(result)
}
