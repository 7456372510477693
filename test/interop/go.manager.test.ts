import { describe, expect, it } from 'vitest'
import { ServerDeployment } from '../kit/deployment.ts'
import { goPeer, isGoMissing } from '../kit/peers.ts'
import { runProgram, Scene } from '../kit/processes.ts'
import { jsonLines } from '../kit/served-workload.ts'

const nothing = { Unsupported: [], Created: 0, Updated: 0, Deleted: 0, Failures: [] }

describe.skipIf(isGoMissing())('the calls of spire-controller-manager, static manifests', () => {
  it('bring the server to what is declared, and find nothing to do when it is there', async () => {
    await using scene = new Scene()
    const server = await ServerDeployment.start(scene)
    const peer = { command: await goPeer(), args: ['manager', '-socket', server.socket] }
    const done = runProgram(peer, ['-entries', '450'])
    expect(done.stderr).toBe('')
    expect(jsonLines(done.stdout)).toEqual([
      { ...nothing, Created: 450 },
      nothing,
      { ...nothing, Updated: 1, Deleted: 2 },
      { ...nothing, Created: 2, Updated: 1, Deleted: 2 },
    ])
    const shown = server.must('entry', 'show', '-spiffeID', 'spiffe://example.org/static/2')
    expect(shown).toMatch(/Hint +: changed/)
    expect(server.must('entry', 'count')).toContain('448')
  })
})
