import { describe, expect, it } from 'vitest'
import { AgentDeployment, ServerDeployment } from '../kit/deployment.ts'
import { ours, Scene } from '../kit/processes.ts'
import {
  agentIds,
  fetchUntilServed,
  isSpireMissing,
  pairings,
  registerUser,
  until,
} from './programs.ts'

const skipped = isSpireMissing()
const quickSync = 'experimental { sync_interval = "1s" }'

function serialNumber(server: ServerDeployment): string {
  const { agents } = JSON.parse(server.must('agent', 'list', '-output', 'json'))
  return agents[0].x509svid_serial_number
}

describe.skipIf(skipped)('the life of an agent', () => {
  it.each(pairings())(
    '%s: renews its SVID and its workloads’ before they expire',
    async (_, serverProgram, agentProgram) => {
      await using scene = new Scene()
      const server = await ServerDeployment.start(scene, {
        program: serverProgram,
        settings: 'agent_ttl = "20s" default_x509_svid_ttl = "20s"',
      })
      const agent = await AgentDeployment.start(scene, server, {
        program: agentProgram,
        settings: quickSync,
      })
      const [parent = ''] = agentIds(server)
      const id = registerUser(server, parent, '/renewed')
      const first = fetchUntilServed(agent, ours.agent, 'x509').stdout
      const serial = serialNumber(server)
      until(() => serialNumber(server) !== serial, 'a new serial number')
      until(
        () =>
          fetchUntilServed(agent, ours.agent, 'x509').stdout.split('\n')[3] !==
          first.split('\n')[3],
        'a new X509-SVID',
      )
      expect(fetchUntilServed(agent, ours.agent, 'x509').stdout).toContain(id)
      expect(agentIds(server)).toEqual([parent])
    },
  )

  it.each(pairings())('%s: ends when it is banned', async (_, serverProgram, agentProgram) => {
    await using scene = new Scene()
    const server = await ServerDeployment.start(scene, { program: serverProgram })
    const agent = await AgentDeployment.start(scene, server, {
      program: agentProgram,
      settings: quickSync,
    })
    const [id = ''] = agentIds(server)
    server.must('agent', 'ban', '-spiffeID', id)
    expect(await agent.daemon.ended).toBe(1)
    expect(agent.daemon.output).toContain('Agent crashed')
    expect(JSON.parse(server.must('agent', 'list', '-output', 'json')).agents[0].banned).toBe(true)
  })

  it.each(pairings())(
    '%s: ends when it is evicted and cannot attest again',
    async (_, serverProgram, agentProgram) => {
      await using scene = new Scene()
      const server = await ServerDeployment.start(scene, { program: serverProgram })
      const agent = await AgentDeployment.start(scene, server, {
        program: agentProgram,
        settings: quickSync,
      })
      const [id = ''] = agentIds(server)
      server.must('agent', 'evict', '-spiffeID', id)
      expect(await agent.daemon.ended).toBe(1)
      expect(agentIds(server)).toEqual([])
    },
  )
})
