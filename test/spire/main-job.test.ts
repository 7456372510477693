import { describe, expect, it } from 'vitest'
import { AgentDeployment, ServerDeployment } from '../kit/deployment.ts'
import { makeNodeCertificate, x509PopPlugins } from '../kit/node-certificate.ts'
import { ours, type Program, runProgram, Scene } from '../kit/processes.ts'
import {
  agentIds,
  fetchUntilServed,
  isSpireMissing,
  pairings,
  registerUser,
  spire,
} from './programs.ts'

const skipped = isSpireMissing()

function popPlugins(ca: string, folder: string): string {
  return `
    DataStore "sql" { plugin_data { database_type = "sqlite3" connection_string = "${folder}/datastore.sqlite3" } }
    KeyManager "disk" { plugin_data { keys_path = "${folder}/keys.json" } }
    NodeAttestor "x509pop" { plugin_data { ca_bundle_path = "${ca}" } }`
}

/** Both agents' command lines must read both SVIDs from this agent. */
function expectServed(agent: AgentDeployment, id: string, programs: readonly Program[]): void {
  for (const program of programs) {
    const x509 = fetchUntilServed(agent, program, 'x509')
    expect(x509.stdout).toContain(`SPIFFE ID:\t\t${id}`)
    const jwt = fetchUntilServed(agent, program, 'jwt', '-audience', 'test', '-output', 'json')
    const token = JSON.parse(jwt.stdout)[0].svids[0].svid
    const validate = [
      'api',
      'validate',
      'jwt',
      '-audience',
      'test',
      '-svid',
      token,
      '-socketPath',
      agent.socket,
    ]
    expect(runProgram(program, validate).stdout).toContain(`SPIFFE ID : ${id}`)
  }
}

describe.skipIf(skipped)('the main job', () => {
  it.each(pairings())(
    '%s: a join token, an entry, both SVIDs through both command lines',
    async (_, serverProgram, agentProgram) => {
      await using scene = new Scene()
      const server = await ServerDeployment.start(scene, { program: serverProgram })
      const agent = await AgentDeployment.start(scene, server, { program: agentProgram })
      const [parent = ''] = agentIds(server)
      const id = registerUser(server, parent, '/main-job')
      expectServed(agent, id, [ours.agent, spire?.agent ?? ours.agent])
    },
  )

  it.each(pairings())('%s: x509pop', async (_, serverProgram, agentProgram) => {
    await using scene = new Scene()
    const node = makeNodeCertificate(scene.folder, 'node')
    const server = await ServerDeployment.start(scene, {
      program: serverProgram,
      plugins: popPlugins(node.ca, scene.path('server')),
    })
    const agent = await AgentDeployment.start(scene, server, {
      program: agentProgram,
      plugins: x509PopPlugins(node, scene.path('agent')),
      args: [],
    })
    const [parent = ''] = agentIds(server)
    expect(parent).toMatch(/\/spire\/agent\/x509pop\/[0-9a-f]{40}$/)
    const id = registerUser(server, parent, '/x509pop')
    expectServed(agent, id, [ours.agent])
  })

  it.each(pairings())(
    "%s: the other's command line drives the server",
    async (_, serverProgram) => {
      await using scene = new Scene()
      const other = serverProgram === ours.server ? (spire?.server ?? ours.server) : ours.server
      const server = await ServerDeployment.start(scene, { program: serverProgram, cli: other })
      const id = registerUser(server, 'spiffe://example.org/parent', '/other')
      expect(server.must('entry', 'show')).toContain(`SPIFFE ID               : ${id}`)
      expect(server.must('bundle', 'show')).toContain('BEGIN CERTIFICATE')
      expect(server.must('x509', 'mint', '-spiffeID', id)).toContain('BEGIN PRIVATE KEY')
      expect(server.must('jwt', 'mint', '-spiffeID', id, '-audience', 'a').split('.')).toHaveLength(
        3,
      )
      expect(server.must('agent', 'list')).toContain('No attested agents found')
      expect(server.must('debug', 'getinfo')).toContain('Registration Entries:    1')
    },
  )
})

describe.skipIf(skipped)('an agent state directory', () => {
  it.each(pairings().slice(0, 2))(
    "%s: moves to the other's agent and back without a new attestation",
    async (_, serverProgram, agentProgram) => {
      await using scene = new Scene()
      const server = await ServerDeployment.start(scene, { program: serverProgram })
      const agent = await AgentDeployment.start(scene, server, { program: agentProgram })
      const before = agentIds(server)
      const id = registerUser(server, before[0] ?? '', '/moved')
      const other = agentProgram === ours.agent ? (spire?.agent ?? ours.agent) : ours.agent
      for (const program of [other, agentProgram]) {
        await agent.daemon.stop()
        await agent.restart([], program)
        expect(fetchUntilServed(agent, ours.agent, 'x509').stdout).toContain(id)
        expect(agentIds(server)).toEqual(before)
      }
    },
  )
})
