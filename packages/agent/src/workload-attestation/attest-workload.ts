import type { Clock } from '@mini-spire/runtime/clock'
import type { UnixPeer } from '@mini-spire/runtime/grpc/call-context'
import { statusText } from '@mini-spire/runtime/grpc/status-text'
import type { LogFields, Logger } from '@mini-spire/runtime/log/logger'
import { type Metrics, noMetrics, timeCall } from '@mini-spire/runtime/telemetry/metrics'
import { isSpiffeError, messageOf } from '@mini-spire/sdk/errors'
import type { Selector } from '../model/selector.ts'
import type { SelectorSet } from '../model/selector-set.ts'
import type {
  ReferencedWorkload,
  WorkloadAttestor,
  WorkloadProcess,
} from '../plugins/workload-attestor/workload-attestor.ts'
import {
  AttestorCalls,
  type AttestorFailure,
  type AttestorQuestion,
  isFailure,
} from './attestor-calls.ts'
import { SelectorSets } from './selector-sets.ts'
import {
  ReferenceAttestationError,
  WorkloadAttestationError,
} from './workload-attestation-error.ts'

const attestationKey = ['workload_api', 'workload_attestation']
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
  readonly #calls: AttestorCalls
  readonly #sets = new SelectorSets()

  constructor(options: WorkloadAttestationOptions) {
    this.#options = options
    this.#calls = new AttestorCalls(options)
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
      const found = await this.#findProcess(peer, signal)
      this.assertSame(peer)
      return this.#reportProcess(peer, found)
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
      this.#reportProcess(process, await this.#findProcess(process, signal)),
    )
  }

  /**
   * The same for a workload that a broker names. Attestors that do not understand the reference are left out.
   *
   * @throws {ReferenceAttestationError} `ERR_WORKLOAD_REFERENCE_FAILED` when no attestor had an answer and one failed
   * @throws {WorkloadAttestationError} `ERR_WORKLOAD_REFERENCE_UNSUPPORTED` when no attestor understands the reference
   */
  attestReference(workload: ReferencedWorkload, signal: AbortSignal): Promise<SelectorSet> {
    const { metrics = noMetrics, clock, log } = this.#options
    const fields: LogFields = { reference_type: workload.reference.typeUrl }
    return timeCall(metrics, clock, attestationKey, async () => {
      const { found, failures, answers } = await this.#find({
        ask: (attestor) => askAbout(attestor, workload, signal),
        fields,
        isCounted: true,
        isForOthers: (error) => isSpiffeError(error) && error.kind === 'unimplemented',
      })
      if (answers === 0) throw unanswered(failures)
      this.#logIncomplete(failures)
      log.debug('Reference attested to have selectors', { ...fields, selectors: found })
      return this.#report(found)
    })
  }

  #timed(process: WorkloadProcess, work: () => Promise<SelectorSet>): Promise<SelectorSet> {
    const { metrics = noMetrics, ownPid, clock } = this.#options
    if (metrics === noMetrics || process.pid === ownPid) return work()
    return timeCall(metrics, clock, attestationKey, work)
  }

  async #findProcess(
    { pid, uid, gid }: WorkloadProcess,
    signal: AbortSignal,
  ): Promise<readonly Selector[]> {
    const process: WorkloadProcess = { pid, uid, gid }
    const { found, failures, answers } = await this.#find({
      ask: (attestor) => attestor.attest(process, signal),
      fields: { pid },
      isCounted: pid !== this.#options.ownPid,
    })
    if (answers === 0) {
      const reasons = failures.map(describe).join('\n')
      throw new WorkloadAttestationError('ERR_WORKLOAD_ATTESTATION_FAILED', reasons)
    }
    this.#logIncomplete(failures)
    return found
  }

  async #find(question: AttestorQuestion): Promise<{
    readonly found: readonly Selector[]
    readonly failures: readonly AttestorFailure[]
    /** How many attestors said something, be it that they found nothing. */
    readonly answers: number
  }> {
    const results = this.#options.attestors.map((one) => this.#calls.run(one, question))
    const found: Selector[] = []
    const failures: AttestorFailure[] = []
    let answers = 0
    for (const pending of results) {
      const result = pending instanceof Promise ? await pending : pending
      if (isFailure(result)) failures.push(result)
      else if (result) {
        answers++
        found.push(...result)
      }
    }
    return { found, failures, answers }
  }

  #logIncomplete(failures: readonly AttestorFailure[]): void {
    if (failures.length === 0) return
    const error = failures.map(describe).join('\n')
    this.#options.log.error('Failed to collect all selectors', { error })
  }

  #reportProcess({ pid }: WorkloadProcess, found: readonly Selector[]): SelectorSet {
    const { log, ownPid } = this.#options
    if (pid === ownPid) return this.#sets.of(found)
    if (log.isEnabled('debug'))
      log.debug('PID attested to have selectors', { pid, selectors: found })
    return this.#report(found)
  }

  #report(found: readonly Selector[]): SelectorSet {
    const { metrics = noMetrics } = this.#options
    metrics.sample(selectorsKey, found.length)
    return this.#sets.of(found)
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
}

function askAbout(
  attestor: WorkloadAttestor,
  workload: ReferencedWorkload,
  signal: AbortSignal,
): readonly Selector[] | Promise<readonly Selector[]> {
  if (attestor.attestReference) return attestor.attestReference(workload, signal)
  if (workload.process) return attestor.attest(workload.process, signal)
  throw unsupported('AttestReference not implemented')
}

/** Why nobody could say anything; SPIRE's text, which goes out to the broker with the status of the first failure. */
function unanswered(
  failures: readonly AttestorFailure[],
): ReferenceAttestationError | WorkloadAttestationError {
  const [first] = failures
  if (!first) return unsupported('no workload attestor handled reference')
  const kind = isSpiffeError(first.error) ? first.error.kind : 'unknown'
  const message = failures.map(describe).join('\n')
  return new ReferenceAttestationError(kind, message, { cause: first.error })
}

function unsupported(message: string): WorkloadAttestationError {
  return new WorkloadAttestationError('ERR_WORKLOAD_REFERENCE_UNSUPPORTED', message)
}

/** A failure as Go prints one that crossed a plugin's interface. */
function describe({ attestor, error }: AttestorFailure): string {
  return `workload attestor "${attestor}" failed: ${statusText(error)}`
}
