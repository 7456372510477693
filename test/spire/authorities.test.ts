import { mkdirSync, rmSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { AgentDeployment, ServerDeployment } from '../kit/deployment.ts'
import { ForcedRotation } from '../kit/forced-rotation.ts'
import { makeNodeCertificate, x509PopPlugins } from '../kit/node-certificate.ts'
import { ours, type Program, Scene } from '../kit/processes.ts'
import {
  agentIds,
  fetchUntilServed,
  isSpireMissing,
  pairings,
  registerUser,
  spire,
} from './programs.ts'

const skipped = isSpireMissing()
const agentSettings = 'experimental { sync_interval = "1s" }'

describe.skipIf(skipped)('forced rotation', () => {
  it.each(pairings())(
    '%s: agent and workload follow X.509 and JWT authorities without a new attestation',
    async (_, serverProgram, agentProgram) => {
      await using scene = new Scene()
      const server = await ServerDeployment.start(scene, { program: serverProgram })
      const agent = await AgentDeployment.start(scene, server, {
        program: agentProgram,
        settings: agentSettings,
      })
      const [agentId = ''] = agentIds(server)
      registerUser(server, agentId, '/rotated')
      fetchUntilServed(agent, ours.agent, 'jwt', '-audience', 'forced-rotation')
      await using rotation = new ForcedRotation(server, [{ id: agentId, agent }])
      for (const family of ['x509', 'jwt', 'x509'] as const) {
        const { former, current } = await rotation.replace(family)
        expect(current).not.toBe(former)
        expect(await rotation.active(family)).toBe(current)
      }
      expect(agentIds(server)).toEqual([agentId])
      expect(agent.daemon.output).not.toContain('starting node attestation again')
      expect(agent.daemon.output.match(/Node attestation was successful/g)).toHaveLength(1)
      for (const line of [
        'Agent SVID is tainted by a root authority, forcing rotation',
        'Successfully rotated agent SVID',
        'Tainted X.509 SVIDs',
        'Finished processing all tainted entries',
        'JWT-SVIDs were removed from the JWT cache because they were issued by a tainted authority',
      ])
        expect(agent.daemon.output).toContain(line)
      for (const line of [
        'X.509 authority tainted successfully',
        'X.509 authority revoked successfully',
        'JWT authority tainted successfully',
        'JWT authority revoked successfully',
        'Server SVID signed using a tainted authority, forcing rotation of the Server SVID',
      ])
        expect(server.daemon.output).toContain(line)
    },
  )
})

/** What a command prints, with IDs and times by their order of appearance. */
function normalised(text: string, ids: readonly string[]): string {
  const named = ids.reduce((rest, id, index) => rest.replaceAll(id, `<id ${index}>`), text)
  return named
    .replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000 UTC/g, (time) =>
      time.startsWith('1970') ? time : '<time>',
    )
    .replace(/"expires_at":"[1-9]\d*"/g, '"expires_at":"<seconds>"')
}

/** Walks through every command and refusal of a family, and returns what was printed. */
function walk(server: ServerDeployment, family: 'x509' | 'jwt'): readonly string[] {
  const ids: string[] = []
  const seen: string[] = []
  const say = (...args: readonly string[]): string => {
    const { status, stdout, stderr } = server.cli('localauthority', family, ...args)
    seen.push(normalised(`${args.join(' ')}\n${status}\n${stdout}${stderr}`, ids))
    return stdout
  }
  const learn = (json: string, part: string): string => {
    const id: string = JSON.parse(json)[part].authority_id
    ids.push(id)
    return id
  }
  const shown = server.must('localauthority', family, 'show', '-output', 'json')
  const first = learn(shown, 'active')
  const prepare = (): string =>
    learn(server.must('localauthority', family, 'prepare', '-output', 'json'), 'prepared_authority')
  const change = (verb: string, id: string): string => say(verb, '-authorityID', id)
  say('show')
  for (const verb of ['activate', 'taint', 'revoke']) {
    change(verb, first)
    change(verb, 'stranger')
    say(verb)
  }
  const replaced = prepare()
  const second = prepare()
  say('show', '-output', 'json')
  for (const verb of ['activate', 'taint', 'revoke']) change(verb, replaced)
  for (const verb of ['taint', 'revoke']) change(verb, second)
  change('activate', second)
  change('activate', second)
  change('activate', first)
  change('revoke', first)
  say('taint', '-authorityID', first, '-output', 'json')
  change('taint', first)
  say('show')
  say('revoke', '-authorityID', first, '-output', 'json')
  change('revoke', first)
  for (const verb of ['taint', 'revoke']) {
    const args = ['upstreamauthority', verb, '-subjectKeyID', 'AB12']
    const { status, stdout, stderr } = server.cli(...args)
    seen.push(`${status}\n${stdout}${stderr}`)
  }
  return seen
}

describe.skipIf(skipped)('localauthority', () => {
  it.each(['x509', 'jwt'] as const)(
    '%s says the same on both servers through both command lines',
    async (family) => {
      await using scene = new Scene()
      const programs: readonly (readonly [Program, Program])[] = spire
        ? [
            [spire.server, spire.server],
            [spire.server, ours.server],
            [ours.server, spire.server],
            [ours.server, ours.server],
          ]
        : []
      const walks: (readonly string[])[] = []
      for (const [index, [program, cli]] of programs.entries()) {
        const server = await ServerDeployment.start(scene, {
          name: `server-${index}`,
          program,
          cli,
        })
        walks.push(walk(server, family))
        await server.daemon.stop()
      }
      const [expected = []] = walks
      expect(expected.length).toBeGreaterThan(20)
      for (const seen of walks) expect(seen).toEqual(expected)
    },
  )
})

describe.skipIf(skipped)('a server that lost everything', () => {
  it.each(pairings())(
    '%s: an agent that may bootstrap again comes back by itself',
    async (_, serverProgram, agentProgram) => {
      await using scene = new Scene()
      const node = makeNodeCertificate(scene.folder, 'node')
      const folder = scene.path('server')
      const server = await ServerDeployment.start(scene, {
        program: serverProgram,
        plugins: `
    DataStore "sql" { plugin_data { database_type = "sqlite3" connection_string = "${folder}/datastore.sqlite3" } }
    KeyManager "disk" { plugin_data { keys_path = "${folder}/keys.json" } }
    NodeAttestor "x509pop" { plugin_data { ca_bundle_path = "${node.ca}" } }`,
      })
      const agent = await AgentDeployment.start(scene, server, {
        program: agentProgram,
        args: [],
        settings: `
    rebootstrap_mode = "always"
    rebootstrap_delay = "1s"
    ${agentSettings}`,
        plugins: x509PopPlugins(node, scene.path('agent')),
      })
      const [agentId = ''] = agentIds(server)
      await server.daemon.stop()
      rmSync(folder, { recursive: true, force: true })
      mkdirSync(folder)
      await server.restart()
      expect(await agent.daemon.ended).toBe(1)
      expect(agent.daemon.output).toMatch(/rebootstrapping|needs to rebootstrap/)
      expect(agentIds(server)).toEqual([])
      server.writeBundle()
      await agent.restart()
      expect(agentIds(server)).toEqual([agentId])
      const id = registerUser(server, agentId, '/back')
      expect(fetchUntilServed(agent, ours.agent, 'x509').stdout).toContain(id)
    },
  )
})
