import { expect, it } from 'vitest'
import { AgentDeployment, ServerDeployment } from '../kit/deployment.ts'
import { ours, runProgram, Scene } from '../kit/processes.ts'
import { SmallDisk } from '../kit/small-disk.ts'

interface Listed {
  readonly agents: readonly {
    readonly id: { readonly path: string }
    readonly x509svid_serial_number: string
  }[]
}

const listed = (server: ServerDeployment): Listed['agents'] =>
  (JSON.parse(server.must('agent', 'list', '-output', 'json')) as Listed).agents
const serialOf = (server: ServerDeployment): string =>
  listed(server)[0]?.x509svid_serial_number ?? ''

function fetched(agent: AgentDeployment): string {
  const args = ['api', 'fetch', 'x509', '-socketPath', agent.socket, '-timeout', '20s']
  const done = runProgram(ours.agent, args)
  return done.stdout + done.stderr
}

it('an agent whose disk is full goes on with what it has, and neither a kill nor its own renewal costs it its identity', async (context) => {
  await using scene = new Scene()
  using disk = SmallDisk.mount(scene.makeFolder('agent'), '1m')
  if (!disk) return context.skip()
  const server = await ServerDeployment.start(scene, { settings: 'agent_ttl = "90s"' })
  const agent = await AgentDeployment.start(scene, server, {
    settings: 'experimental { sync_interval = "1s" }',
  })
  const [{ id } = { id: { path: '' } }] = listed(server)
  const entry = [
    '-parentID',
    `spiffe://example.org${id.path}`,
    '-spiffeID',
    'spiffe://example.org/w',
  ]
  server.must('entry', 'create', ...entry, '-selector', `unix:uid:${process.getuid?.() ?? 0}`)
  const serial = serialOf(server)

  disk.fill()
  await agent.daemon.waitFor(/level=(error|warning).*(no space left on device|ENOSPC)/, {
    timeoutMs: 90_000,
  })
  expect(fetched(agent)).toContain('spiffe://example.org/w')
  expect(serialOf(server)).toBe(serial)
  await agent.daemon.stop('SIGKILL')

  disk.free()
  await agent.restart([])
  expect(agent.daemon.output).not.toContain('Node attestation was successful')
  expect(fetched(agent)).toContain('spiffe://example.org/w')
  await expect.poll(() => serialOf(server), { timeout: 90_000, interval: 500 }).not.toBe(serial)
  await agent.daemon.stop('SIGKILL')
  await agent.restart([])
  expect(agent.daemon.output).not.toContain('Node attestation was successful')
  expect(listed(server).map((one) => one.id)).toEqual([id])
})
