import { SVIDService } from '@mini-spire/runtime/proto/spire/api/server/svid/v1/svid'
import { ServerDeployment } from '../../kit/deployment.ts'
import { type Programs, Scene } from '../../kit/processes.ts'
import { makeCsrKit } from '../agents.ts'
import { type Benchmark, cpuFigure, type Figure } from '../bench.ts'
import { makeFleet } from '../fleet.ts'
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
    const fleet = await makeFleet({ server, kit, local, agents, entriesEach: batch })

    const params = fleet.map(({ entryIds }) =>
      entryIds.map((entryId) => ({ entryId, csr: kit.csr })),
    )
    const batched = await measure(
      pid,
      (worker) =>
        fleet[worker]?.agent.client.unary(SVIDService.batchNewX509Svid, {
          params: params[worker] ?? [],
        }) as Promise<unknown>,
      { workers: agents, seconds, operationsPerCall: batch },
    )
    yield cpuFigure('X509-SVID in BatchNewX509SVID of 50 (TLS)', batched)

    const tokens = await measure(
      pid,
      (worker, round) =>
        fleet[worker]?.agent.client.unary(SVIDService.newJwtsvid, {
          entryId: fleet[worker]?.entryIds[0] ?? '',
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
    for (const { agent } of fleet) agent.client.close()
    local.close()
  },
}
