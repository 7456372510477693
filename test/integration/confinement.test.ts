import { chmodSync, chownSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { AgentDeployment, ServerDeployment } from '../kit/deployment.ts'
import { hasProgram, missingPeer } from '../kit/peers.ts'
import { ours, type Program, runProgram, Scene } from '../kit/processes.ts'

const isRoot = process.getuid?.() === 0
const stranger = 54_321

/** A program started by another: `setpriv`, `unshare`, a shell. */
function under(command: readonly string[], program: Program): Program {
  const [first = '', ...rest] = command
  return { command: first, args: [...rest, program.command, ...program.args] }
}

/** Every file and folder below one, with its mode. */
function modes(folder: string): readonly (readonly [string, number])[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => [path, statSync(path).mode & 0o777] as const)
}

function childOf(parent: number): number {
  const child = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .find((name) => {
      try {
        return readFileSync(`/proc/${name}/status`, 'utf8').includes(`\nPPid:\t${parent}\n`)
      } catch {
        return false
      }
    })
  return Number(child)
}

describe('confined daemons', () => {
  const needsRoot = !isRoot && missingPeer('root', 'run the tests as root, to become another user')
  const needsSetpriv =
    !hasProgram('setpriv', '--version') && missingPeer('setpriv', 'apt-get install util-linux')

  it.skipIf(needsRoot || needsSetpriv)('run as a user that no passwd file knows', async () => {
    await using scene = new Scene()
    chmodSync(scene.folder, 0o777)
    for (const name of ['server', 'agent', 'agent-public', 'agent-admin']) {
      scene.makeFolder(name)
      chownSync(scene.path(name), stranger, stranger)
    }
    const as = ['setpriv', `--reuid=${stranger}`, `--regid=${stranger}`, '--clear-groups']
    const server = await ServerDeployment.start(scene, {
      program: under(as, ours.server),
      cli: ours.server,
    })
    const agent = await AgentDeployment.start(scene, server, {
      program: under(as, ours.agent),
      cli: ours.agent,
    })
    expect(statSync(`/proc/${agent.daemon.process.pid}`).uid).toBe(stranger)
    expect(await agent.daemon.stop()).toBe(0)
    expect(await server.daemon.stop()).toBe(0)
  })

  it.skipIf(needsRoot)('run as process 1 of a container, and stop when told', async () => {
    await using scene = new Scene()
    const container = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc']
    const server = await ServerDeployment.start(scene, {
      program: under(container, ours.server),
      cli: ours.server,
    })
    process.kill(childOf(server.daemon.process.pid ?? 0), 'SIGTERM')
    expect(await server.daemon.ended).toBe(0)
    expect(server.daemon.output).toContain('Server stopped gracefully')
  })

  it.skipIf(needsRoot || needsSetpriv)(
    'are all of this at once: an agent that is process 1, nobody’s, with umask 000, serves who is with it and stops when told',
    async () => {
      await using scene = new Scene()
      chmodSync(scene.folder, 0o777)
      const server = await ServerDeployment.start(scene)
      const as = ['setpriv', `--reuid=${stranger}`, `--regid=${stranger}`, '--clear-groups']
      const loose = ['sh', '-c', 'umask 000; exec "$0" "$@"']
      const container = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc']
      const agent = AgentDeployment.prepare(scene, server, {
        program: under(container, under(as, under(loose, ours.agent))),
      })
      for (const name of ['agent', 'agent-public', 'agent-admin'])
        chownSync(scene.path(name), stranger, stranger)
      const daemon = agent.begin(['-joinToken', server.token()])
      await daemon.waitFor('Starting Admin APIs')
      const { agents } = JSON.parse(server.must('agent', 'list', '-output', 'json'))
      const parent = `spiffe://example.org${agents[0].id.path}`
      const entry = ['-parentID', parent, '-spiffeID', 'spiffe://example.org/inside']
      server.must('entry', 'create', ...entry, '-selector', `unix:uid:${stranger}`)
      const inside = String(childOf(daemon.process.pid ?? 0))
      const fetch = ['api', 'fetch', 'x509', '-socketPath', agent.socket, '-timeout', '30s']
      const within = under(['nsenter', '-t', inside, '-p', '-m'], under(as, ours.agent))
      await expect
        .poll(() => runProgram(within, fetch).stdout, { timeout: 30_000, interval: 100 })
        .toContain('spiffe://example.org/inside')
      expect(runProgram(under(as, ours.agent), fetch).status).toBe(1)
      const state = modes(scene.path('agent'))
      expect(state.length).toBeGreaterThan(1)
      expect(state.filter(([, mode]) => (mode & 0o007) !== 0)).toEqual([])
      process.kill(Number(inside), 'SIGTERM')
      expect(await daemon.ended).toBe(0)
      expect(daemon.output).toContain('Agent stopped gracefully')
    },
  )

  it('leave nothing open to others with umask 000', async () => {
    await using scene = new Scene()
    const loose = ['sh', '-c', 'umask 000; exec "$0" "$@"']
    const server = await ServerDeployment.start(scene, {
      program: under(loose, ours.server),
      cli: ours.server,
    })
    const agent = await AgentDeployment.start(scene, server, {
      program: under(loose, ours.agent),
      cli: ours.agent,
    })
    const state = [...modes(scene.path('server')), ...modes(scene.path('agent'))]
    expect(state.length).toBeGreaterThan(4)
    expect(state.filter(([, mode]) => (mode & 0o007) !== 0)).toEqual([])
    const secret = state.filter(([path]) => /(keys|agent-data)\.json$/.test(path))
    expect(secret.map(([, mode]) => mode)).toEqual([0o600, 0o600, 0o600])
    const socketModes = [server.socket, agent.socket, agent.adminSocket].map(
      (path) => statSync(path).mode & 0o777,
    )
    expect(socketModes).toEqual([0o770, 0o777, 0o770])
    // What nobody thought of, such as a library's file, comes under it.
    for (const { pid } of [server.daemon.process, agent.daemon.process])
      expect(readFileSync(`/proc/${pid}/status`, 'utf8')).toMatch(/^Umask:\t0027$/m)
  })
})
