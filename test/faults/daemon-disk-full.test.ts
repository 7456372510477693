import { createClient, openUnixChannel } from '@mini-spire/runtime/grpc/client'
import { EntryService } from '@mini-spire/runtime/proto/spire/api/server/entry/v1/entry'
import { expect, it } from 'vitest'
import { entryOf } from '../integration/server-scene.ts'
import { ServerDeployment } from '../kit/deployment.ts'
import { Scene } from '../kit/processes.ts'
import { SmallDisk } from '../kit/small-disk.ts'

const parent = 'spiffe://example.org/parent'
const rounds = 2
/** gRPC's OK, and Internal, as which SPIRE reports a store that fails. */
const ok = 0
const internal = 13

/** Creates entries until one is refused; returns the IDs of those that were not, and the refusal. */
async function createUntilRefused(
  server: ServerDeployment,
  name: string,
  most: number,
): Promise<{ readonly ids: readonly string[]; readonly refusal: string | undefined }> {
  using channel = openUnixChannel(server.socket)
  const client = createClient(EntryService, channel)
  const ids: string[] = []
  for (let batch = 0; ids.length < most; batch++) {
    const entries = Array.from({ length: 20 }, (_, index) =>
      entryOf(parent, `/${name}/${batch}/${index}`, { hint: 'h'.repeat(1000) }),
    )
    const { results } = await client.batchCreateEntry({ entries, outputMask: undefined })
    for (const { status, entry } of results) {
      if (status?.code === ok && entry) ids.push(entry.id)
      else return { ids, refusal: `${status?.code}: ${status?.message}` }
    }
  }
  return { ids, refusal: undefined }
}

function entryIds(server: ServerDeployment): readonly string[] {
  const { entries } = JSON.parse(server.must('entry', 'show', '-output', 'json'))
  return entries.map(({ id }: { id: string }) => id)
}

const oneEntry = ['-parentID', parent, '-spiffeID', `${parent}/refused`, '-selector', 'unix:uid:1']

/** What goes on while nothing can be written, and what is refused with its reason. */
function expectReadsAndSigning(server: ServerDeployment, acknowledged: readonly string[]): void {
  const known = new Set(entryIds(server))
  expect(acknowledged.filter((id) => !known.has(id))).toEqual([])
  expect(server.must('bundle', 'show')).toContain('BEGIN CERTIFICATE')
  expect(server.must('x509', 'mint', '-spiffeID', parent)).toContain('BEGIN PRIVATE KEY')
  expect(server.must('jwt', 'mint', '-spiffeID', parent, '-audience', 'a').split('.')).toHaveLength(
    3,
  )
  for (const args of [
    ['entry', 'create', ...oneEntry],
    ['token', 'generate'],
  ]) {
    const refused = server.cli(...args)
    expect(refused.status).toBe(1)
    expect(refused.stdout + refused.stderr).toMatch(/No space left on device|ENOSPC/)
  }
}

it('a server whose disk is full says so, serves and signs on, and writes again when there is space', async (context) => {
  await using scene = new Scene()
  using disk = SmallDisk.mount(scene.makeFolder('server'), '24m')
  if (!disk) return context.skip()
  const server = await ServerDeployment.start(scene)
  const acknowledged: string[] = [...(await createUntilRefused(server, 'before', 100)).ids]
  for (let round = 0; round < rounds; round++) {
    disk.fill()
    const { ids, refusal } = await createUntilRefused(server, `full-${round}`, 100_000)
    acknowledged.push(...ids)
    expect(refusal).toMatch(new RegExp(`^${internal}: .*(No space left on device|ENOSPC)`))
    expect(server.daemon.output).toMatch(
      /level=error msg="Store cannot be written; changes are refused until it can" advice="make space.*No space left/,
    )
    expectReadsAndSigning(server, acknowledged)

    disk.free()
    await server.daemon.waitFor('Store can be written again')
    const { ids: after, refusal: none } = await createUntilRefused(server, `after-${round}`, 100)
    expect(none).toBeUndefined()
    acknowledged.push(...after)
    const shown = entryIds(server)
    await server.daemon.stop('SIGKILL')
    await server.restart()
    const kept = new Set(entryIds(server))
    expect(acknowledged.filter((id) => !kept.has(id))).toEqual([])
    expect([...kept].sort()).toEqual([...shown].sort())
  }
})
