import {
  EntryService,
  SyncAuthorizedEntriesRequest,
  SyncAuthorizedEntriesResponse,
} from '@mini-spire/runtime/proto/spire/api/server/entry/v1/entry'
import { ServerDeployment } from '../../kit/deployment.ts'
import { type Programs, Scene } from '../../kit/processes.ts'
import { attestAgent, makeCsrKit, type SimulatedAgent } from '../agents.ts'
import { type Benchmark, cpuFigure, type Figure } from '../bench.ts'
import { makeEntries } from '../entries.ts'
import { frame, frames, WireClient } from '../grpc-wire.ts'
import { measure, residentMegabytes } from '../measure.ts'

const batch = 100
/** At most this many batches are measured, so that a fast server is measured at the size that the row names. */
const maxCalls = 70

/** Writing entries, and handing them to agents that poll. */
export const entries: Benchmark = {
  name: 'entries',
  async *run(programs: Programs, seconds: number): AsyncGenerator<Figure> {
    await using scene = new Scene()
    const server = await ServerDeployment.start(scene, {
      program: programs.server,
      logLevel: 'INFO',
    })
    const kit = makeCsrKit(scene.folder, server.trustDomain)
    const pid = server.daemon.process.pid ?? 0
    const local = WireClient.unix(server.socket)
    yield { row: 'RSS idle, server', value: residentMegabytes(pid), unit: 'MB' }
    const agent = await attestAgent(server, kit, 0)
    let made = 0
    const create = async (): Promise<void> => {
      const from = made
      made += batch
      const list = makeEntries(batch, { parentId: agent.id, prefix: '/entries', from })
      const { results } = await local.unary(EntryService.batchCreateEntry, {
        entries: list,
        outputMask: undefined,
      })
      if (results.some((result) => result.status?.code !== 0))
        throw new Error('an entry was refused')
    }
    const writing = { workers: 1, seconds, operationsPerCall: batch, maxCalls }
    while (made < 3000) await create()
    const few = await measure(pid, create, writing)
    yield cpuFigure('BatchCreateEntry of 100, per entry, at 3,000', few)
    while (made < 20_000) await create()
    yield {
      row: 'RSS with 20,000 entries, server',
      value: residentMegabytes(pid),
      unit: 'MB',
      note: `${made} entries`,
    }
    const many = await measure(pid, create, writing)
    yield cpuFigure('BatchCreateEntry of 100, per entry, at 20,000', many)

    await untilSynced(agent, made)
    const full = await measure(pid, () => sync(agent, true), {
      workers: 1,
      seconds,
      operationsPerCall: made,
    })
    yield cpuFigure('SyncAuthorizedEntries, full, per entry', full)
    const revisions = await measure(pid, () => sync(agent, false), {
      workers: 1,
      seconds,
      operationsPerCall: made,
    })
    yield cpuFigure('SyncAuthorizedEntries, revisions only, per entry', revisions)
    agent.client.close()
    local.close()
  },
}

async function untilSynced(agent: SimulatedAgent, count: number): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    if ((await sync(agent, false)) >= count) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error('the entries never reached the agent')
}

const mask = {
  spiffeId: true,
  parentId: false,
  selectors: true,
  x509SvidTtl: false,
  federatesWith: true,
  admin: true,
  downstream: true,
  expiresAt: false,
  dnsNames: false,
  revisionNumber: true,
  storeSvid: true,
  jwtSvidTtl: false,
  hint: true,
  createdAt: true,
  additionalAttributes: true,
}

/** One sync as an agent does it: revisions, then (in a full one) every entry in pages. Returns how many were listed. */
async function sync(agent: SimulatedAgent, isFull: boolean): Promise<number> {
  const stream = agent.client.open(EntryService.syncAuthorizedEntries.path)
  const send = (request: SyncAuthorizedEntriesRequest): void => {
    stream.write(frame(SyncAuthorizedEntriesRequest.encode(request).finish()))
  }
  send({ outputMask: mask, ids: [] })
  const ids: string[] = []
  let pageSize = 0
  let asked = 0
  for await (const message of frames(stream)) {
    const answer = SyncAuthorizedEntriesResponse.decode(message)
    if (asked === 0) {
      for (const revision of answer.entryRevisions) ids.push(revision.id)
      pageSize ||= answer.entryRevisions.length
    }
    if (answer.more) continue
    if (!isFull || asked >= ids.length || pageSize === 0) {
      stream.end()
      continue
    }
    send({ outputMask: undefined, ids: ids.slice(asked, asked + pageSize) })
    asked += pageSize
  }
  return ids.length
}
