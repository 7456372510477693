import { randomInt } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { ServerDeployment } from '../kit/deployment.ts'
import { ours, runProgram, Scene } from '../kit/processes.ts'
import { ServedWorkload } from '../kit/served-workload.ts'

const rounds = 6
const perBatch = 40

interface Result {
  readonly status: { readonly code: number }
  readonly entry?: { readonly id: string }
}

/** Entries for `entry create -data -`. */
function entriesFile(round: number, batch: number): string {
  const entries = Array.from({ length: perBatch }, (_, index) => ({
    entry_id: `round-${round}-${batch}-${index}`,
    spiffe_id: `spiffe://example.org/kill/${round}/${batch}/${index}`,
    parent_id: 'spiffe://example.org/parent',
    selectors: [{ type: 'unix', value: `uid:${index}` }],
  }))
  return JSON.stringify({ entries })
}

function entryIds(server: ServerDeployment): ReadonlySet<string> {
  const { entries } = JSON.parse(server.must('entry', 'show', '-output', 'json'))
  return new Set(entries.map((entry: { id: string }) => entry.id))
}

describe('a server killed at any moment', () => {
  it('keeps every entry it acknowledged, whatever it was doing', async () => {
    await using scene = new Scene()
    const server = await ServerDeployment.start(scene)
    const acknowledged = new Set<string>()
    for (let round = 0; round < rounds; round++) {
      const killAfterBatches = randomInt(1, 4)
      for (let batch = 0; batch < killAfterBatches + 2; batch++) {
        // The last batches run into the kill: what they were told is what counts.
        if (batch === killAfterBatches) server.daemon.process.kill('SIGKILL')
        const args = [
          ...ours.server.args,
          'entry',
          'create',
          '-data',
          '-',
          '-output',
          'json',
          '-socketPath',
          server.socket,
        ]
        const done = runProgram(
          { command: ours.server.command, args },
          [],
          entriesFile(round, batch),
        )
        if (done.status !== 0) continue
        for (const result of JSON.parse(done.stdout).results as Result[]) {
          if (result.status.code === 0 && result.entry) acknowledged.add(result.entry.id)
        }
      }
      await server.daemon.ended
      await server.restart()
      const kept = entryIds(server)
      expect({ round, lost: [...acknowledged].filter((id) => !kept.has(id)) }).toEqual({
        round,
        lost: [],
      })
    }
    expect(acknowledged.size).toBeGreaterThanOrEqual(rounds * perBatch)
  })

  it('leaves agents attested and workloads served meanwhile; no second agent appears', async () => {
    await using served = await ServedWorkload.start()
    const before = served.server.must('agent', 'list', '-output', 'json')
    for (let round = 0; round < 3; round++) {
      await served.server.daemon.stop('SIGKILL')
      const fetched = runProgram(ours.agent, [
        'api',
        'fetch',
        'x509',
        '-socketPath',
        served.agent.socket,
      ])
      expect(fetched.stdout).toContain(served.id)
      await served.server.restart()
    }
    expect(agentsOf(served.server.must('agent', 'list', '-output', 'json'))).toEqual(
      agentsOf(before),
    )
  })
})

describe('an agent killed at any moment', () => {
  it('comes back with the identity it had', async () => {
    await using served = await ServedWorkload.start()
    const before = agentsOf(served.server.must('agent', 'list', '-output', 'json'))
    for (let round = 0; round < 4; round++) {
      await served.agent.daemon.stop('SIGKILL')
      await served.agent.restart()
      served.untilServed()
      expect(agentsOf(served.server.must('agent', 'list', '-output', 'json'))).toEqual(before)
    }
  })
})

function agentsOf(json: string): readonly string[] {
  return JSON.parse(json).agents.map((agent: { id: { path: string } }) => agent.id.path)
}
