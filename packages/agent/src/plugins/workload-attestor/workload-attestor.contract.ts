import type { ContractTools } from '@mini-spire/runtime/tools.contract'
import type { Selector } from '../../model/selector.ts'
import type { WorkloadAttestor, WorkloadProcess } from './workload-attestor.ts'
import { WorkloadAttestorError } from './workload-attestor-error.ts'

/** An attestor, and processes that it is asked about. */
export interface OpenedAttestor {
  readonly attestor: WorkloadAttestor
  /** One of which it has something to say. */
  readonly workload: WorkloadProcess
  /** One that is there and none of its own; left out where every process is. */
  readonly stranger?: WorkloadProcess
}

/** No process has such a number: Linux counts to 2^22. */
const nobody: WorkloadProcess = { pid: 2 ** 22 + 1, uid: 0, gid: 0 }

/** What every workload attestor does. */
export function workloadAttestorContract(
  { describe, it, expect }: ContractTools,
  name: string,
  open: () => OpenedAttestor | Promise<OpenedAttestor>,
): void {
  const ask = async (
    attestor: WorkloadAttestor,
    process: WorkloadProcess,
    signal: AbortSignal = new AbortController().signal,
  ): Promise<readonly Selector[]> => await attestor.attest(process, signal)

  describe(`workload attestor ${name}`, () => {
    it('says the same of a process each time, in selectors of its own that can be typed', async () => {
      const { attestor, workload } = await open()
      expect(attestor.name).toBe(name)
      const found = await ask(attestor, workload)
      expect(found.length).toBeGreaterThan(0)
      for (const { type, value } of found) {
        expect(type).toBe(name)
        expect(value).toMatch(/^[^\p{Cc}]+$/u)
      }
      expect(await ask(attestor, workload)).toEqual(found)
    })

    it('says nothing of a process that is none of its own', async () => {
      const { attestor, stranger } = await open()
      if (stranger) expect(await ask(attestor, stranger)).toEqual([])
    })

    it('says nothing of a process that has gone, and perhaps why', async () => {
      const { attestor } = await open()
      const result = await ask(attestor, nobody).catch((error: unknown) => error)
      if (!(result instanceof Error)) expect(result).toEqual([])
      else {
        expect(result).toBeInstanceOf(WorkloadAttestorError)
        expect(result.message).toMatch(new RegExp(`^workloadattestor\\(${name}\\): `))
      }
    })

    it('does not make anybody wait who has given up', async () => {
      const { attestor, workload } = await open()
      const known = await ask(attestor, workload)
      const result = await ask(attestor, workload, AbortSignal.abort()).catch(() => known)
      expect(result).toEqual(known)
    })
  })
}
