import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { AgentDeployment, ServerDeployment } from '../kit/deployment.ts'
import { freePort, ours, runProgram, Scene } from '../kit/processes.ts'
import { agentIds, fetchUntilServed, isSpireMissing, registerUser, spire } from './programs.ts'

const skipped = isSpireMissing()
const spireServer = spire?.server ?? ours.server
const spireAgent = spire?.agent ?? ours.agent
const quickSync = 'experimental { sync_interval = "1s" }'

/** What must not change when one server takes over from the other. */
function stateOf(server: ServerDeployment): Readonly<Record<string, unknown>> {
  const json = (...args: string[]): unknown => JSON.parse(server.must(...args, '-output', 'json'))
  return {
    agents: json('agent', 'list'),
    entries: json('entry', 'show'),
    bundle: json('bundle', 'show'),
    x509: json('localauthority', 'x509', 'show'),
    jwt: json('localauthority', 'jwt', 'show'),
    federated: json('bundle', 'list'),
    relationships: json('federation', 'list'),
  }
}

function importInto(...args: readonly string[]): { readonly records: Record<string, unknown> } {
  const done = runProgram(ours.server, ['import', ...args, '-output', 'json'])
  expect(done.stderr).toBe('')
  expect(done.status).toBe(0)
  return JSON.parse(done.stdout)
}

/** Fetches an X509-SVID of each identity and verifies each chain with openssl against given roots. */
function verifyFetched(scene: Scene, agent: AgentDeployment, roots: string, name: string): string {
  const folder = scene.path(name)
  mkdirSync(folder)
  const { stdout } = fetchUntilServed(agent, ours.agent, 'x509', '-write', folder)
  const count = stdout.split('SPIFFE ID:').length - 1
  expect(count).toBeGreaterThan(0)
  for (let index = 0; index < count; index++) {
    const chain = join(folder, `svid.${index}.pem`)
    const args = ['verify', '-partial_chain', '-CAfile', roots, '-untrusted', chain, chain]
    const done = runProgram({ command: 'openssl', args: [] }, args)
    expect(`${done.stdout}${done.stderr}`).toContain('OK')
  }
  return stdout
}

async function untilFetched(agent: AgentDeployment, id: string): Promise<void> {
  for (let tries = 0; tries < 40; tries++) {
    if (fetchUntilServed(agent, ours.agent, 'x509').stdout.includes(id)) return
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 250)
  }
  throw new Error(`${id} was never served:\n${agent.daemon.output}`)
}

describe.skipIf(skipped)('moving from SPIRE, as docs/migrate-from-spire.md says', () => {
  it('keeps agents attested, entries and authorities, there and back', async () => {
    await using scene = new Scene()
    const server = await ServerDeployment.start(scene, { program: spireServer })
    const agent = await AgentDeployment.start(scene, server, {
      program: spireAgent,
      settings: quickSync,
    })
    const [agentId = ''] = agentIds(server)
    const first = registerUser(server, agentId, '/first')
    server.must('localauthority', 'x509', 'prepare')
    server.must('token', 'generate', '-spiffeID', 'spiffe://example.org/alias')
    const bundleJson = scene.path('other.json')
    writeFileSync(bundleJson, server.must('bundle', 'show', '-format', 'spiffe'))
    server.must(
      'bundle',
      'set',
      '-id',
      'spiffe://other.org',
      '-format',
      'spiffe',
      '-path',
      bundleJson,
    )
    const endpoint = ['-bundleEndpointURL', 'https://127.0.0.1:1/bundle']
    const profile = ['-bundleEndpointProfile', 'https_web']
    server.must('federation', 'create', '-trustDomain', 'third.org', ...endpoint, ...profile)
    const roots = server.writeBundle()
    await untilFetched(agent, first)
    verifyFetched(scene, agent, roots, 'before')
    const before = stateOf(server)

    // There: stop, refuse, import, start.
    const tooEarly = runProgram(ours.server, [
      'import',
      '-from-datastore',
      '-config',
      server.config,
    ])
    expect(tooEarly).toMatchObject({ status: 1, stderr: expect.stringContaining('stop SPIRE') })
    await server.daemon.stop()
    const refused = scene.start(ours.server, ['run', '-config', server.config])
    expect(await refused.ended).toBe(1)
    expect(refused.output).toContain(
      `mini-spire-server import -from-datastore -config ${server.config}`,
    )
    const report = importInto('-from-datastore', '-config', server.config)
    expect(report).toMatchObject({
      problems: [],
      warnings: [],
      records: {
        entries: { created: 2 },
        federation_relationships: { created: 1 },
        agents: { created: 1 },
        join_tokens: { created: 1 },
      },
    })
    expect(importInto('-from-datastore', '-config', server.config).records).toMatchObject({
      entries: { created: 0, unchanged: 2, conflicts: 0 },
      ca_journals: { created: 0, unchanged: 1 },
    })
    await server.restart(ours.server)
    expect(stateOf(server)).toEqual(before)
    const second = registerUser(server, agentId, '/second')
    await untilFetched(agent, second)
    const fetched = verifyFetched(scene, agent, roots, 'after')
    expect(fetched).toContain(first)
    expect(agent.daemon.output.split('Node attestation was successful')).toHaveLength(2)
    expect(stateOf(server)['agents']).toEqual(before['agents'])
    expect(stateOf(server)['x509']).toEqual(before['x509'])

    // And back: SPIRE beside ours, what is new copied, then SPIRE in its place.
    const back = { socket: scene.path('back.sock'), port: await freePort() }
    const beside = scene.start(spireServer, [
      'run',
      '-config',
      server.config,
      '-socketPath',
      back.socket,
      '-serverPort',
      String(back.port),
    ])
    await beside.waitFor('Starting Server APIs', { times: 2 })
    const copied = importInto('-from-socket', server.socket, '-socketPath', back.socket)
    expect(copied.records).toMatchObject({
      bundles: { created: 0, unchanged: 1, conflicts: 0 },
      federation_relationships: { created: 0, unchanged: 1, conflicts: 0 },
      entries: { created: 1, unchanged: 2, conflicts: 0 },
    })
    const inOurs = entriesById(stateOf(server)['entries'])
    await beside.stop()
    await server.daemon.stop()
    await server.restart(spireServer)
    expect(entriesById(stateOf(server)['entries'])).toEqual(inOurs)
    const third = registerUser(server, agentId, '/third')
    await untilFetched(agent, third)
    verifyFetched(scene, agent, roots, 'back')
    expect(agentIds(server)).toEqual([agentId])
  })

  it('copies entries and bundles of a running SPIRE server under the same IDs', async () => {
    await using scene = new Scene()
    const from = await ServerDeployment.start(scene, { program: spireServer, name: 'from' })
    const to = await ServerDeployment.start(scene, { cli: spireServer, name: 'to' })
    const bundleJson = scene.path('other.json')
    writeFileSync(bundleJson, from.must('bundle', 'show', '-format', 'spiffe'))
    from.must(
      'bundle',
      'set',
      '-id',
      'spiffe://other.org',
      '-format',
      'spiffe',
      '-path',
      bundleJson,
    )
    const parentId = 'spiffe://example.org/spire/server'
    const create = [
      'entry',
      'create',
      '-parentID',
      parentId,
      '-selector',
      'a:b',
      '-selector',
      'c:d',
    ]
    const further = ['-federatesWith', 'other.org', '-dns', 'x.test', '-jwtSVIDTTL', '70']
    from.must(...create, '-spiffeID', 'spiffe://example.org/a', ...further)
    from.must(...create, '-spiffeID', 'spiffe://example.org/b', '-entryID', 'taken')
    from.must(...create, '-spiffeID', 'spiffe://example.org/c')
    to.must(...create, '-spiffeID', 'spiffe://example.org/other', '-entryID', 'taken')
    to.must(...create, '-spiffeID', 'spiffe://example.org/c', '-entryID', 'mine')
    const args = ['-from-socket', from.socket, '-socketPath', to.socket]
    expect(importInto(...args, '-dryRun').records).toMatchObject({ bundles: { created: 1 } })
    expect(importInto(...args)).toMatchObject({
      records: { bundles: { created: 1 }, entries: { created: 1, conflicts: 2 } },
      warnings: [expect.stringContaining('lacks 2 authorities')],
    })
    expect(importInto(...args).records).toMatchObject({
      bundles: { created: 0, unchanged: 1 },
      entries: { created: 0, unchanged: 1, conflicts: 2 },
    })
    const idOf = (server: ServerDeployment): unknown =>
      entriesById(stateOf(server)['entries']).find(([, entry]) => entry.spiffe_id.path === '/a')
    expect(idOf(to)).toEqual(idOf(from))
    expect(readFileSync(from.config, 'utf8')).toContain('sqlite3')
  })
})

type ShownEntry = { readonly id: string; readonly spiffe_id: { readonly path: string } }

/** Entries without what each server counts for itself. */
function entriesById(shown: unknown): readonly (readonly [string, ShownEntry])[] {
  const { entries } = shown as { readonly entries: readonly ShownEntry[] }
  return entries
    .map((entry) => [entry.id, { ...entry, created_at: '', revision_number: '' }] as const)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
}
