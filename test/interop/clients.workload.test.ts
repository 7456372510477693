import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  isJavaMissing,
  isPythonMissing,
  isRustMissing,
  javaPeer,
  pythonPeer,
  rustPeer,
} from '../kit/peers.ts'
import { type Program, runProgram } from '../kit/processes.ts'
import { root } from '../kit/repository.ts'
import { jsonLines, ServedWorkload } from '../kit/served-workload.ts'

interface SvidLine {
  readonly id: string
  readonly roots?: number
}

/** Programs that take the same arguments and print the same lines, each with a published client library. */
const clients: readonly {
  readonly name: string
  readonly isMissing: () => boolean
  readonly program: () => Promise<Program>
}[] = [
  {
    name: "Python's spiffe",
    isMissing: isPythonMissing,
    program: async () => ({
      command: await pythonPeer(),
      args: [join(root, 'test/interop/python/workload.py')],
    }),
  },
  { name: "Rust's spiffe", isMissing: isRustMissing, program: rustPeer },
  { name: 'java-spiffe', isMissing: isJavaMissing, program: javaPeer },
]

for (const client of clients) {
  describe.skipIf(client.isMissing())(`${client.name} as a workload of our agent`, () => {
    let peer: Program
    let served: ServedWorkload
    beforeAll(async () => {
      peer = await client.program()
      served = await ServedWorkload.start()
    })
    afterAll(() => served?.[Symbol.asyncDispose]())

    const workload = (...args: readonly string[]): readonly SvidLine[] => {
      const done = runProgram(peer, [served.agent.address, ...args])
      expect({ status: done.status, stderr: done.stderr }).toEqual({ status: 0, stderr: '' })
      return jsonLines<SvidLine>(done.stdout)
    }

    it('fetches an X509-SVID with the bundle of its trust domain', () => {
      expect(workload('x509')).toMatchObject([{ id: served.id, roots: 1 }])
    })

    it('fetches a JWT-SVID and has it validated', () => {
      expect(workload('jwt', 'test')).toMatchObject([{ id: served.id }])
    })

    it('reads the bundles', () => {
      expect(workload('bundles')).toEqual([{ x509: ['example.org'], jwt: ['example.org'] }])
    })

    it('watches: a new entry reaches the open stream', async () => {
      const watch = served.scene.start(peer, [served.agent.address, 'watch', '2'])
      await watch.waitFor(served.id)
      served.register('/second')
      expect(await watch.ended).toBe(0)
      expect(jsonLines<SvidLine>(watch.output)).toHaveLength(2)
    })
  })
}
