import { messageOf } from '@mini-spire/sdk/errors'
import type { Selector } from '../../../model/selector.ts'
import { type Cgroup, readCgroups } from '../container/cgroups.ts'
import type { WorkloadAttestor, WorkloadProcess } from '../workload-attestor.ts'
import { WorkloadAttestorError } from '../workload-attestor-error.ts'

const name = 'slurm'

/**
 * Where slurmstepd puts the steps of a job in the cgroup v2 tree. The path begins at `/system.slice/`, which belongs to
 * root: a user who has a subtree of his own can build a folder of any name, but not there.
 */
const stepPattern =
  /^\/system\.slice\/[^/]*slurmstepd\.scope\/(job_\d+|s[0-9A-Za-z]+)\/step_([^/]+)/

interface Step {
  /** `job_<number>`, or a SLUID, which begins with `s`. */
  readonly job: string
  readonly step: string
}

/** The Slurm job and step that a process belongs to, from its control group. */
export class SlurmAttestor implements WorkloadAttestor {
  readonly name: string = name
  readonly #procPath: string

  constructor(options: { readonly procPath: string }) {
    this.#procPath = options.procPath
  }

  attest({ pid }: WorkloadProcess): readonly Selector[] {
    const found = findStep(this.#readCgroups(pid))
    if (!found) return []
    const { job, step } = found
    const value = job.startsWith('job_') ? `job_id:${job.slice(4)}` : `sluid:${job}`
    return [
      { type: name, value },
      { type: name, value: `step:${step}` },
    ]
  }

  #readCgroups(pid: number): readonly Cgroup[] {
    try {
      return readCgroups(`${this.#procPath}/${pid}`)
    } catch (cause) {
      const message = `unable to obtain cgroups: ${messageOf(cause)}`
      throw new WorkloadAttestorError(name, 'ERR_WORKLOAD_UNREADABLE', message, { cause })
    }
  }
}

function findStep(cgroups: readonly Cgroup[]): Step | undefined {
  let known: Step | undefined
  for (const { path } of cgroups) {
    const [, job, step] = stepPattern.exec(path) ?? []
    if (job === undefined || step === undefined) continue
    known ??= { job, step }
    if (known.job === job && known.step === step) continue
    const both = `${known.job}/step_${known.step}, ${job}/step_${step}`
    const message = `multiple Slurm jobs found in cgroups (${both})`
    throw new WorkloadAttestorError(name, 'ERR_WORKLOAD_CONTAINER_CONFLICT', message)
  }
  return known
}
