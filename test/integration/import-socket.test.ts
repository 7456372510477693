import { writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { ServerDeployment } from '../kit/deployment.ts'
import { type Finished, ours, runProgram, Scene } from '../kit/processes.ts'

const entryCount = 650
const parentID = 'spiffe://example.org/node'

/** A server with bundles, relationships and more entries than a page holds. */
async function fullServer(scene: Scene): Promise<ServerDeployment> {
  const server = await ServerDeployment.start(scene, { name: 'from' })
  const bundle = server.writeBundle()
  for (const name of ['one.org', 'two.org'])
    server.must('bundle', 'set', '-id', name, '-path', bundle)
  const endpoint = ['-bundleEndpointURL', 'https://127.0.0.1:1/', '-bundleEndpointProfile']
  server.must('federation', 'create', '-trustDomain', 'one.org', ...endpoint, 'https_web')
  const profile = ['https_spiffe', '-endpointSpiffeID', 'spiffe://two.org/endpoint']
  server.must('federation', 'create', '-trustDomain', 'two.org', ...endpoint, ...profile)
  const entries = Array.from({ length: entryCount }, (_, index) => ({
    entry_id: `entry-${index}`,
    spiffe_id: `spiffe://example.org/workload/${index}`,
    parent_id: parentID,
    selectors: [{ type: 'unix', value: `uid:${index}` }],
    ...(index === 7 && {
      x509_svid_ttl: 120,
      jwt_svid_ttl: 60,
      federates_with: ['one.org'],
      dns_names: ['seven.test'],
      hint: 'seventh',
      store_svid: true,
      entryExpiry: 4_000_000_000,
    }),
  }))
  const file = scene.path('entries.json')
  writeFileSync(file, JSON.stringify({ entries }))
  server.must('entry', 'create', '-data', file)
  return server
}

function importInto(
  to: ServerDeployment,
  from: { readonly socket: string },
  ...more: readonly string[]
): Finished {
  const sockets = ['-from-socket', from.socket, '-socketPath', to.socket]
  return runProgram(ours.server, ['import', ...sockets, ...more])
}

const recordsOf = ({ stdout }: Finished): Record<string, unknown> => JSON.parse(stdout).records
const counts = (created: number, unchanged: number, conflicts = 0): object => ({
  created,
  unchanged,
  conflicts,
  refused: 0,
})

/** What a server has, without what each counts for itself. */
function stateOf(server: ServerDeployment): readonly unknown[] {
  const show = (...command: readonly string[]): string =>
    server
      .must(...command, '-output', 'json')
      .replaceAll(/"(created_at|revision_number)":"\d+"/g, '')
  return [show('entry', 'show'), show('bundle', 'list'), show('federation', 'list')]
}

describe('import -from-socket', () => {
  it('copies entries, bundles and relationships under the same IDs, and nothing when it is done again', async () => {
    await using scene = new Scene()
    const from = await fullServer(scene)
    const to = await ServerDeployment.start(scene, { name: 'to' })
    const before = stateOf(from)
    const empty = stateOf(to)

    const dry = importInto(to, from, '-dryRun')
    expect(dry.stdout).toMatch(/^Dry run: nothing was written\.$/m)
    expect(dry.stdout).toMatch(/^entries +650 +0 +0 +0$/m)
    expect(stateOf(to)).toEqual(empty)

    const first = importInto(to, from, '-output', 'json')
    expect(recordsOf(first)).toEqual({
      bundles: counts(2, 0),
      federation_relationships: counts(2, 0),
      entries: counts(entryCount, 0),
    })
    expect(stateOf(to)).toEqual(before)
    expect(stateOf(from)).toEqual(before)

    const second = importInto(to, from, '-output', 'json')
    expect(recordsOf(second)).toEqual({
      bundles: counts(0, 2),
      federation_relationships: counts(0, 2),
      entries: counts(0, entryCount),
    })
    expect(stateOf(to)).toEqual(before)
    expect([dry, first, second].map(({ status }) => status)).toEqual([0, 0, 0])
  })

  it('keeps what is here and differs, and says so', async () => {
    await using scene = new Scene()
    const from = await fullServer(scene)
    const to = await ServerDeployment.start(scene, { name: 'to' })
    const create = ['entry', 'create', '-parentID', parentID, '-selector', 'unix:uid:1']
    to.must(...create, '-entryID', 'entry-0', '-spiffeID', 'spiffe://example.org/mine')
    to.must(...create, '-entryID', 'mine', '-spiffeID', 'spiffe://example.org/workload/1')
    const done = importInto(to, from)
    expect(done.status).toBe(0)
    expect(done.stdout).toMatch(/^entries +648 +0 +2 +0$/m)
    expect(done.stdout).toContain(
      'Conflict: entry entry-0: there is another version of it here, which is kept',
    )
    expect(done.stdout).toContain('Conflict: entry entry-1: similar entry already exists')
    expect(done.stdout).toMatch(/^Warning: the bundle here lacks 2 authorities of the source/m)
    expect(to.must('entry', 'show', '-entryID', 'entry-0')).toContain('spiffe://example.org/mine')
  })

  it('is finished by doing it again after a kill in the middle', async () => {
    await using scene = new Scene()
    const from = await fullServer(scene)
    const settings = 'audit_log_enabled = true'
    const to = await ServerDeployment.start(scene, { name: 'to', settings })
    const sockets = ['-from-socket', from.socket, '-socketPath', to.socket]
    const killed = scene.start(ours.server, ['import', ...sockets])
    await to.daemon.waitFor('method=BatchCreateEntry')
    await killed.stop('SIGKILL')
    const again = recordsOf(importInto(to, from, '-output', 'json'))
    const { created, unchanged } = again['entries'] as Record<'created' | 'unchanged', number>
    expect(created + unchanged).toBe(entryCount)
    expect(unchanged).toBeGreaterThan(0)
    expect(stateOf(to)).toEqual(stateOf(from))
  })

  it('takes nothing from a server of another trust domain, and says whom it cannot reach', async () => {
    await using scene = new Scene()
    const to = await ServerDeployment.start(scene, { name: 'to' })
    const foreign = await ServerDeployment.start(scene, {
      name: 'foreign',
      trustDomain: 'foreign.org',
    })
    expect(importInto(to, foreign)).toMatchObject({
      status: 1,
      stderr:
        'Error: the server to import from is of trust domain foreign.org, this one of example.org\n',
    })
    const nobody = { socket: scene.path('nobody.sock') }
    expect(importInto(to, nobody).stderr).toContain('nobody.sock')
    expect(importInto(to, nobody).status).toBe(1)
    expect(to.must('entry', 'count')).toBe('0 registration entries\n')
  })
})
