import type { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import type { Selector } from '../../model/selector.ts'
import type { WorkloadReference } from '../../model/workload-reference.ts'

/** The process that asks, as the kernel named it when it connected. */
export interface WorkloadProcess {
  readonly pid: number
  readonly uid: number
  readonly gid: number
}

/** A workload that a broker asks for. */
export interface ReferencedWorkload {
  readonly reference: WorkloadReference
  /** Who asks. */
  readonly broker: SpiffeId
  /** The process that is meant, held by the agent until it has its answer; undefined when the reference names none. */
  readonly process: WorkloadProcess | undefined
}

/** A way of finding out what a process is. */
export interface WorkloadAttestor {
  /** The type of its selectors, such as `unix`. */
  readonly name: string
  /** How long an answer may take before it is given up. @default 20 seconds */
  readonly timeoutMs?: number
  /**
   * Says what is known about a process; nothing when the process is none of this attestor's.
   *
   * Attestors that find everything without waiting return the list itself: most calls then need no extra turn of the loop.
   *
   * @throws {WorkloadAttestorError} when the process cannot be looked at
   */
  attest(
    process: WorkloadProcess,
    signal: AbortSignal,
  ): readonly Selector[] | Promise<readonly Selector[]>
  /**
   * Says what is known about a workload that a broker names. An attestor without this knows processes only, and is asked
   * for the process.
   *
   * @throws with the kind `unimplemented` when it does not understand the reference: others may
   */
  attestReference?(
    workload: ReferencedWorkload,
    signal: AbortSignal,
  ): readonly Selector[] | Promise<readonly Selector[]>
}
