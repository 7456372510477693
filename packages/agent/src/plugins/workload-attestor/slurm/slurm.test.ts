import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FakeProc } from '../container/proc.test-kit.ts'
import { workloadAttestorContract } from '../workload-attestor.contract.ts'
import { SlurmAttestor } from './slurm.ts'

let proc: FakeProc
beforeEach(() => {
  proc = new FakeProc()
})
afterEach(() => proc[Symbol.dispose]())

function values(...cgroup: readonly string[]): readonly string[] {
  proc.put(7, cgroup)
  const attestor = new SlurmAttestor({ procPath: proc.path })
  return attestor.attest({ pid: 7, uid: 1, gid: 1 }).map(({ type, value }) => `${type}:${value}`)
}

workloadAttestorContract({ describe, it, expect }, 'slurm', () => {
  proc.put(7, ['0::/system.slice/slurmstepd.scope/job_42/step_0/user/task_1'])
  proc.put(8, ['0::/user.slice'])
  return {
    attestor: new SlurmAttestor({ procPath: proc.path }),
    workload: { pid: 7, uid: 1, gid: 1 },
    stranger: { pid: 8, uid: 1, gid: 1 },
  }
})

describe('slurm', () => {
  it.each([
    ['/system.slice/slurmstepd.scope/job_42/step_0/user/task_1', ['job_id:42', 'step:0']],
    ['/system.slice/node7_slurmstepd.scope/job_42/step_batch', ['job_id:42', 'step:batch']],
    ['/system.slice/slurmstepd.scope/sZ3K9/step_extern/slurm', ['sluid:sZ3K9', 'step:extern']],
  ])('%s is a step of a job', (path, expected) => {
    expect(values(`0::${path}`)).toEqual(expected.map((value) => `slurm:${value}`))
  })

  it.each([
    '/user.slice/user-1000.slice/system.slice/slurmstepd.scope/job_42/step_0',
    '/user.slice/slurmstepd.scope/job_42/step_0',
    '/system.slice/other.service/slurmstepd.scope/job_42/step_0',
    '/system.slice/slurmstepd.scope/job_x/step_0',
    '/system.slice/slurmstepd.scope/job_42/task_0',
    '/',
  ])('%s is none: users can make groups of such names, but not there', (path) => {
    expect(values(`0::${path}`)).toEqual([])
  })

  it('refuses a process of two jobs, and one that cannot be read', () => {
    const step = (job: string): string => `0::/system.slice/slurmstepd.scope/${job}/step_0`
    expect(values(step('job_1'), step('job_1'))).toHaveLength(2)
    expect(() => values(step('job_1'), step('job_2'))).toThrow(
      expect.objectContaining({
        code: 'ERR_WORKLOAD_CONTAINER_CONFLICT',
        message:
          'workloadattestor(slurm): multiple Slurm jobs found in cgroups (job_1/step_0, job_2/step_0)',
      }),
    )
    const attestor = new SlurmAttestor({ procPath: proc.path })
    expect(() => attestor.attest({ pid: 8, uid: 1, gid: 1 })).toThrow(
      `unable to obtain cgroups: open ${proc.path}/8/cgroup: no such file or directory`,
    )
  })
})
