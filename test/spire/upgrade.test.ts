import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { AgentDeployment, ServerDeployment } from '../kit/deployment.ts'
import { makeNodeCertificate, x509PopPlugins } from '../kit/node-certificate.ts'
import { ours, type Program, runProgram, Scene } from '../kit/processes.ts'
import { agentIds, isSpireMissing, registerUser, spire, until } from './programs.ts'

/** A node with a certificate, and SVIDs of seconds, as in SPIRE's suite `upgrade`. */
async function startOld(scene: Scene): Promise<readonly [ServerDeployment, AgentDeployment]> {
  if (!spire) throw new Error('no SPIRE')
  const node = makeNodeCertificate(scene.folder, 'node')
  const server = await ServerDeployment.start(scene, {
    program: spire.server,
    settings: 'ca_ttl = "1m" default_x509_svid_ttl = "15s"',
    morePlugins: `NodeAttestor "x509pop" { plugin_data { ca_bundle_path = "${node.ca}" } }`,
  })
  const agent = await AgentDeployment.start(scene, server, {
    program: spire.agent,
    settings: 'experimental { sync_interval = "1s" }',
    args: [],
    plugins: x509PopPlugins(node, scene.path('agent')),
  })
  return [server, agent]
}

/** Fetches with the agent's own command line, which must succeed every time; the certificate that was written. */
function fetchWritten(scene: Scene, agent: AgentDeployment, program: Program, to: string): string {
  const folder = scene.path(to)
  mkdirSync(folder, { recursive: true })
  const args = ['api', 'fetch', 'x509', '-socketPath', agent.socket, '-write', folder]
  const done = runProgram(program, args)
  expect(done.stderr).toBe('')
  expect(done.status).toBe(0)
  return readFileSync(`${folder}/svid.0.pem`, 'utf8')
}

/** The version as the suite reads it: what stands before a dash, on standard error. */
const versionOf = (program: Program): string =>
  runProgram(program, ['--version']).stderr.split('-')[0]?.trim() ?? ''

/** The higher of two versions, as `sort -V` has it. */
function higherOf(...versions: readonly string[]): string {
  const sorted = runProgram({ command: 'sort', args: ['-V'] }, [], `${versions.join('\n')}\n`)
  return sorted.stdout.trim().split('\n').at(-1) ?? ''
}

describe.skipIf(isSpireMissing())("what SPIRE's suite upgrade asserts", () => {
  it('holds when ours takes the place of SPIRE, first the server, then the agent', async () => {
    if (!spire) return
    await using scene = new Scene()
    const [server, agent] = await startOld(scene)
    const [agentId = ''] = agentIds(server)
    registerUser(server, agentId, '/workload', '-x509SVIDTTL', '0')
    await agent.daemon.waitFor(/Creating X509-SVID/)
    await agent.daemon.waitFor('SVID updated')
    const before = fetchWritten(scene, agent, spire.agent, 'before')

    // The server: our version is not below, the agent stays attested, SVIDs change without a gap.
    await server.daemon.stop()
    const imported = runProgram(ours.server, [
      'import',
      '-from-datastore',
      '-config',
      server.config,
    ])
    expect(imported.status).toBe(0)
    await server.restart(ours.server)
    const version = versionOf(ours.server)
    expect(higherOf(version, '1.15.2', '1.15.3')).toBe(version)
    until(
      () => fetchWritten(scene, agent, spire?.agent ?? ours.agent, 'after-server') !== before,
      'a new X509-SVID from our server',
    )
    const afterServer = fetchWritten(scene, agent, spire.agent, 'after-server')
    expect(agent.daemon.output.split('Node attestation was successful')).toHaveLength(2)

    // The agent: on the data of SPIRE's, without attesting again.
    await agent.daemon.stop()
    await agent.restart([], ours.agent)
    expect(fetchWritten(scene, agent, ours.agent, 'after-agent')).not.toBe(afterServer)
    expect(agent.daemon.output).not.toContain('Node attestation was successful')
    expect(agentIds(server)).toEqual([agentId])

    // The old agent attests to the new server: evicted, its data gone, the bundle of now.
    await agent.daemon.stop()
    server.must('agent', 'evict', '-spiffeID', agentId)
    rmSync(agent.folder, { recursive: true })
    mkdirSync(agent.folder)
    server.writeBundle()
    await agent.restart([], spire.agent)
    expect(agentIds(server)).toEqual([agentId])
    await agent.daemon.waitFor('SVID updated')
    fetchWritten(scene, agent, spire.agent, 'old-agent')
  })
})
