import { EntryService } from '@mini-spire/runtime/proto/spire/api/server/entry/v1/entry'
import { SVIDService } from '@mini-spire/runtime/proto/spire/api/server/svid/v1/svid'
import { ServerDeployment } from '../../kit/deployment.ts'
import { type Programs, Scene } from '../../kit/processes.ts'
import { attestAgent, makeCsrKit, type SimulatedAgent } from '../agents.ts'
import { type Benchmark, cpuFigure, type Figure } from '../bench.ts'
import { makeEntries } from '../entries.ts'
import { WireClient } from '../grpc-wire.ts'
import { measure } from '../measure.ts'

const batch = 50
const agents = 8

/** What agents and operators ask the CA for. */
export const signing: Benchmark = {
  name: 'signing',
  async *run(programs: Programs, seconds: number): AsyncGenerator<Figure> {
    await using scene = new Scene()
    const server = await ServerDeployment.start(scene, {
      program: programs.server,
      logLevel: 'INFO',
    })
    const kit = makeCsrKit(scene.folder, server.trustDomain)
    const pid = server.daemon.process.pid ?? 0
    const local = WireClient.unix(server.socket)
    const fleet: SimulatedAgent[] = []
    const ids: string[][] = []
    for (let index = 0; index < agents; index++) {
      const agent = await attestAgent(server, kit, index)
      fleet.push(agent)
      const entries = makeEntries(batch, { parentId: agent.id, prefix: `/signing/${index}` })
      const { results } = await local.unary(EntryService.batchCreateEntry, {
        entries,
        outputMask: undefined,
      })
      ids.push(results.map((result) => result.entry?.id ?? ''))
    }
    await untilAuthorized(fleet[agents - 1], ids[agents - 1]?.[0] ?? '', kit.csr)

    const params = ids.map((own) => own.map((entryId) => ({ entryId, csr: kit.csr })))
    const batched = await measure(
      pid,
      (worker) =>
        fleet[worker]?.client.unary(SVIDService.batchNewX509Svid, {
          params: params[worker] ?? [],
        }) as Promise<unknown>,
      { workers: agents, seconds, operationsPerCall: batch },
    )
    yield cpuFigure('X509-SVID in BatchNewX509SVID of 50 (TLS)', batched)

    const tokens = await measure(
      pid,
      (worker, round) =>
        fleet[worker]?.client.unary(SVIDService.newJwtsvid, {
          entryId: ids[worker]?.[0] ?? '',
          audience: [`audience-${round % 16}`],
        }) as Promise<unknown>,
      { workers: agents, seconds },
    )
    yield cpuFigure('NewJWTSVID (TLS)', tokens)

    const minted = await measure(
      pid,
      () => local.unary(SVIDService.mintX509Svid, { csr: kit.namedCsr, ttl: 600 }),
      { workers: 8, seconds },
    )
    yield cpuFigure('MintX509SVID (local socket)', minted)
    for (const agent of fleet) agent.client.close()
    local.close()
  },
}

/** SPIRE learns of entries every five seconds: asks until the last one may be signed. */
async function untilAuthorized(
  agent: SimulatedAgent | undefined,
  entryId: string,
  csr: Uint8Array,
): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    const answer = await agent?.client.unary(SVIDService.batchNewX509Svid, {
      params: [{ entryId, csr }],
    })
    if (answer?.results[0]?.status?.code === 0) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error('the entry never became authorized')
}
