import type { Clock, Timer } from '@mini-spire/runtime/clock'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { loadPeerCalls, type PeerCalls } from '@mini-spire/runtime/peer/peer-calls'
import { type PinnedProcess, pinProcess } from '@mini-spire/runtime/peer/unix-peer'
import { isSpiffeError, messageOf } from '@mini-spire/sdk/errors'
import type { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import type { SelectorSet } from '../model/selector-set.ts'
import type { WorkloadReference } from '../model/workload-reference.ts'
import type { WorkloadAttestation } from './attest-workload.ts'
import { WorkloadAttestationError } from './workload-attestation-error.ts'

/** How often processes that brokers act for are looked at: a stream ends this soon after its workload, if nothing is sent before. */
const watchIntervalMs = 5_000

/** A workload that a broker named, attested. To be disposed of when nothing more is told about it. */
export interface ResolvedWorkload extends Disposable {
  readonly selectors: SelectorSet
  /** Aborts when the workload is known to have ended, with the {@link WorkloadAttestationError} that says so. */
  readonly ended: AbortSignal
  /**
   * Checks that what was found out is still true; to be asked before anything more is told [SPIFFE Broker API 4.9].
   *
   * @throws {WorkloadAttestationError} `ERR_WORKLOAD_NOT_THERE`, `ERR_WORKLOAD_CHANGED`; what attestors refuse an object with
   */
  assertSame(): Promise<void>
}

/** Options of {@link ReferenceResolver}. */
export interface ReferenceResolverOptions {
  readonly attestation: Pick<WorkloadAttestation, 'attestReference'>
  readonly clock: Clock
  readonly log: Logger
}

/** What is asked about, by whom. */
interface Asked {
  readonly reference: WorkloadReference
  readonly broker: SpiffeId
}

/** Finds the workloads that brokers name: attests them, and keeps an eye on them as long as a broker is served. */
export class ReferenceResolver {
  readonly #options: ReferenceResolverOptions
  readonly #processes = new Set<HeldProcess>()
  #timer: Timer | undefined

  constructor(options: ReferenceResolverOptions) {
    this.#options = options
  }

  /**
   * A process is held while it is attested and afterwards: whatever becomes of its number, what is told is about it.
   *
   * @throws {WorkloadAttestationError} `ERR_WORKLOAD_NOT_THERE` when there is no such process, `ERR_WORKLOAD_REFERENCE_UNSUPPORTED`
   * @throws {ReferenceAttestationError} what attestors said
   */
  async resolve(asked: Asked, signal: AbortSignal): Promise<ResolvedWorkload> {
    const { subject } = asked.reference
    return subject.kind === 'process'
      ? await this.#resolveProcess(asked, subject.pid, signal)
      : await this.#resolveObject(asked, signal)
  }

  async #resolveProcess(asked: Asked, pid: number, signal: AbortSignal): Promise<ResolvedWorkload> {
    const process = hold(pid, await loadPeerCalls())
    try {
      const { attestation } = this.#options
      const selectors = await attestation.attestReference({ ...asked, process }, signal)
      assertHeld(process)
      const held = new HeldProcess(process, selectors, () => this.#forget(held))
      this.#processes.add(held)
      this.#timer ??= this.#watchLater()
      return held
    } catch (error) {
      process.release()
      throw error
    }
  }

  async #resolveObject(asked: Asked, signal: AbortSignal): Promise<ResolvedWorkload> {
    const { attestation, log, clock } = this.#options
    const attest = (): Promise<SelectorSet> =>
      attestation.attestReference({ ...asked, process: undefined }, signal)
    const selectors = await attest()
    let lookedAtMs = clock.nowMs()
    return {
      selectors,
      ended: new AbortController().signal,
      assertSame: async () => {
        if (clock.nowMs() < lookedAtMs + watchIntervalMs) return
        const now = await attest().catch((error: unknown) => {
          if (isVerdict(error)) throw error
          // A control plane that does not answer ends nobody's identity: renewals must get through.
          log.warn('Workload reference could not be checked again', { error: messageOf(error) })
          return selectors
        })
        if (now.key !== selectors.key) throw changed('the referenced object has changed')
        lookedAtMs = clock.nowMs()
      },
      [Symbol.dispose]: () => {},
    }
  }

  #watchLater(): Timer {
    return this.#options.clock.setTimer(watchIntervalMs, () => {
      for (const process of this.#processes) process.look()
      this.#timer = this.#processes.size > 0 ? this.#watchLater() : undefined
    })
  }

  #forget(process: HeldProcess): void {
    this.#processes.delete(process)
    if (this.#processes.size > 0) return
    this.#timer?.cancel()
    this.#timer = undefined
  }
}

class HeldProcess implements ResolvedWorkload {
  readonly selectors: SelectorSet
  readonly #process: PinnedProcess
  readonly #ending = new AbortController()
  readonly #forget: () => void

  constructor(process: PinnedProcess, selectors: SelectorSet, forget: () => void) {
    this.selectors = selectors
    this.#process = process
    this.#forget = forget
  }

  get ended(): AbortSignal {
    return this.#ending.signal
  }

  assertSame(): Promise<void> {
    return new Promise((resolve) => {
      assertHeld(this.#process)
      resolve()
    })
  }

  /** Ends what is told about a process that is not what it was. */
  look(): void {
    try {
      assertHeld(this.#process)
    } catch (error) {
      this.#ending.abort(error)
    }
  }

  [Symbol.dispose](): void {
    this.#process.release()
    this.#forget()
  }
}

/** @throws {WorkloadAttestationError} `ERR_WORKLOAD_NOT_THERE`; {@link PeerError} when the system cannot hold any more */
function hold(pid: number, calls: PeerCalls): PinnedProcess {
  return inOurTerms(() => pinProcess(pid, calls))
}

function assertHeld(process: PinnedProcess): void {
  inOurTerms(() => process.assertAlive())
}

function inOurTerms<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (isSpiffeError(error, 'ERR_PEER_GONE')) {
      const options = { cause: error }
      throw new WorkloadAttestationError('ERR_WORKLOAD_NOT_THERE', error.message, options)
    }
    if (isSpiffeError(error, 'ERR_PEER_CHANGED')) throw changed(error.message, error)
    throw error
  }
}

function changed(message: string, cause?: unknown): WorkloadAttestationError {
  return new WorkloadAttestationError('ERR_WORKLOAD_CHANGED', message, { cause })
}

/** Whether a failure says something about the workload, and not only about who was asked. */
function isVerdict(error: unknown): boolean {
  const verdicts: readonly string[] = ['not-found', 'permission-denied', 'invalid-argument']
  return isSpiffeError(error) && verdicts.includes(error.kind)
}
