import { EntryService } from '@mini-spire/runtime/proto/spire/api/server/entry/v1/entry'
import { SVIDService } from '@mini-spire/runtime/proto/spire/api/server/svid/v1/svid'
import { ServerDeployment } from '../../kit/deployment.ts'
import { type Programs, Scene } from '../../kit/processes.ts'
import { makeCsrKit } from '../agents.ts'
import type { Benchmark, Figure } from '../bench.ts'
import { makeEntries } from '../entries.ts'
import { type FleetMember, makeFleet } from '../fleet.ts'
import { WireClient } from '../grpc-wire.ts'
import { percentile } from '../measure.ts'

const batch = 500
/** Each is held to one batch a second by the rate limit of its address. */
const agents = 4

/** Whether signing a large batch keeps an operator's commit waiting. */
export const interference: Benchmark = {
  name: 'interference',
  async *run(programs: Programs, seconds: number): AsyncGenerator<Figure> {
    await using scene = new Scene()
    const server = await ServerDeployment.start(scene, {
      program: programs.server,
      logLevel: 'INFO',
    })
    const kit = makeCsrKit(scene.folder, server.trustDomain)
    const local = WireClient.unix(server.socket)
    const fleet = await makeFleet({ server, kit, local, agents, entriesEach: batch })
    const parentId = fleet[0]?.agent.id ?? ''
    let made = 0
    const commit = async (): Promise<void> => {
      const entries = makeEntries(1, { parentId, prefix: '/interference', from: made++ })
      const request = { entries, outputMask: undefined }
      const { results } = await local.unary(EntryService.batchCreateEntry, request)
      if (results[0]?.status?.code !== 0) throw new Error('an entry was refused')
    }
    yield* commitTimes('commit of one entry, alone', commit, seconds)
    const busy = { isOver: false }
    const signing = fleet.map((member) => signUntil(busy, member, kit.csr))
    yield* commitTimes(`commit of one entry, during batches of ${batch}`, commit, seconds)
    busy.isOver = true
    const signed = (await Promise.all(signing)).reduce((sum, count) => sum + count, 0)
    if (signed < batch) throw new Error('nothing was signed meanwhile')
    for (const { agent } of fleet) agent.client.close()
    local.close()
  },
}

/** Has everything of an agent signed again and again; returns how many certificates there were. */
async function signUntil(
  busy: { readonly isOver: boolean },
  { agent, entryIds }: FleetMember,
  csr: Uint8Array,
): Promise<number> {
  const params = entryIds.map((entryId) => ({ entryId, csr }))
  let signed = 0
  while (!busy.isOver) {
    const { results } = await agent.client.unary(SVIDService.batchNewX509Svid, { params })
    signed += results.filter(({ status }) => status?.code === 0).length
  }
  return signed
}

/** Commits one after the other, with a pause between them that lets signing begin anew. */
async function* commitTimes(
  row: string,
  commit: () => Promise<void>,
  seconds: number,
): AsyncGenerator<Figure> {
  const times: number[] = []
  const end = performance.now() + seconds * 1000
  while (performance.now() < end) {
    const before = performance.now()
    await commit()
    times.push(performance.now() - before)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  times.sort((a, b) => a - b)
  const note = `of ${times.length}`
  yield { row: `${row}, median`, value: percentile(times, 0.5), unit: 'ms', note }
  yield { row: `${row}, p99`, value: percentile(times, 0.99), unit: 'ms', note }
}
