import { EntryService } from '@mini-spire/runtime/proto/spire/api/server/entry/v1/entry'
import { Entry } from '@mini-spire/runtime/proto/spire/api/types/entry'
import {
  SpiffeWorkloadAPIService,
  X509SVIDResponse,
} from '@mini-spire/sdk/internal/spiffe/workload/workload'
import { AgentDeployment, ServerDeployment } from '../../kit/deployment.ts'
import { type Programs, Scene } from '../../kit/processes.ts'
import { type Benchmark, cpuFigure, type Figure } from '../bench.ts'
import { frame, frames, WireClient } from '../grpc-wire.ts'
import { measure, percentile, residentMegabytes } from '../measure.ts'

const header = { 'workload.spiffe.io': 'true' }
const openStreams = 1000
const latencyRounds = 20
const workers = 4
/** Streams closed early on one connection, before HTTP/2 servers take it for an attack (rapid reset) and end it. */
const maxResets = 500

/** What workloads feel: fetching, many open streams, and how long a new entry takes to arrive. */
export const workload: Benchmark = {
  name: 'workload',
  async *run(programs: Programs, seconds: number): AsyncGenerator<Figure> {
    await using scene = new Scene()
    const server = await ServerDeployment.start(scene, {
      program: programs.server,
      logLevel: 'INFO',
    })
    const agent = await AgentDeployment.start(scene, server, {
      program: programs.agent,
      logLevel: 'INFO',
      plugins: `
    NodeAttestor "join_token" { plugin_data {} }
    KeyManager "memory" { plugin_data {} }
    WorkloadAttestor "unix" { plugin_data {} }`,
    })
    const pid = agent.daemon.process.pid ?? 0
    yield { row: 'RSS idle, agent', value: residentMegabytes(pid), unit: 'MB' }
    const { agents } = JSON.parse(server.must('agent', 'list', '-output', 'json'))
    const operator = WireClient.unix(server.socket)
    const register = async (name: string): Promise<void> => {
      const { results } = await operator.unary(EntryService.batchCreateEntry, {
        entries: [
          Entry.fromPartial({
            parentId: { trustDomain: server.trustDomain, path: agents[0].id.path },
            spiffeId: { trustDomain: server.trustDomain, path: `/bench/${name}` },
            selectors: [{ type: 'unix', value: `uid:${process.getuid?.() ?? 0}` }],
          }),
        ],
        outputMask: undefined,
      })
      if (results[0]?.status?.code !== 0) throw new Error(`${name} was not created`)
    }
    const client = WireClient.unix(agent.socket)
    await register('first')
    await untilServed(client, 'first')

    const reused = Array.from({ length: workers }, () => new ReusedClient(agent.socket))
    const fetch = async (worker: number): Promise<unknown> => reused[worker]?.firstMessage()
    const x509 = await measure(pid, fetch, { workers, seconds })
    for (const one of reused) one.close()
    yield cpuFigure('FetchX509SVID, reused connection', x509)
    const jwt = await measure(
      pid,
      () =>
        client.unary(
          SpiffeWorkloadAPIService.fetchJwtsvid,
          { audience: ['bench'], spiffeId: '' },
          header,
        ),
      { workers, seconds },
    )
    yield cpuFigure('FetchJWTSVID (cached), reused connection', jwt)
    yield* latency(client, register)
    yield await streamsRow(agent, pid)
    client.close()
    operator.close()
  },
}

async function* latency(
  client: WireClient,
  register: (name: string) => Promise<void>,
): AsyncGenerator<Figure> {
  const times: number[] = []
  for (let round = 0; round < latencyRounds; round++) {
    const name = `latency-${round}`
    const arrived = untilServed(client, name)
    const asked = performance.now()
    await register(name)
    await arrived
    times.push(performance.now() - asked)
  }
  times.sort((a, b) => a - b)
  yield {
    row: 'entry created to SVID at the workload, median',
    value: percentile(times, 0.5),
    unit: 'ms',
  }
  yield {
    row: 'entry created to SVID at the workload, worst',
    value: times.at(-1) ?? Number.NaN,
    unit: 'ms',
    note: `of ${times.length}`,
  }
}

async function streamsRow(agent: AgentDeployment, pid: number): Promise<Figure> {
  const clients: WireClient[] = []
  for (let index = 0; index < openStreams; index++) {
    const client = WireClient.unix(agent.socket)
    clients.push(client)
    const stream = client.open(SpiffeWorkloadAPIService.fetchX509Svid.path, header)
    stream.end(frame(new Uint8Array()))
    await new Promise<void>((resolve, reject) =>
      stream.once('data', () => resolve()).once('error', reject),
    )
  }
  const figure: Figure = {
    row: '1,000 connections with an open stream, agent RSS',
    value: residentMegabytes(pid),
    unit: 'MB',
  }
  for (const client of clients) client.close()
  return figure
}

/** Takes the first message of a stream and hangs up, on a connection that is replaced before the server minds. */
class ReusedClient {
  readonly #socket: string
  #client: WireClient | undefined
  #left = 0

  constructor(socket: string) {
    this.#socket = socket
  }

  async firstMessage(): Promise<Buffer> {
    if (this.#left === 0) {
      this.close()
      this.#client = WireClient.unix(this.#socket)
      this.#left = maxResets
    }
    this.#left--
    const stream = this.#client?.open(SpiffeWorkloadAPIService.fetchX509Svid.path, header)
    if (!stream) throw new Error('not connected')
    stream.end(frame(new Uint8Array()))
    for await (const message of frames(stream)) {
      stream.close()
      return message
    }
    throw new Error('no SVID')
  }

  close(): void {
    this.#client?.close()
  }
}

/** Watches until an identity with this name arrives. */
async function untilServed(client: WireClient, name: string): Promise<void> {
  const end = performance.now() + 60_000
  while (performance.now() < end) {
    const stream = client.open(SpiffeWorkloadAPIService.fetchX509Svid.path, header)
    stream.end(frame(new Uint8Array()))
    try {
      for await (const message of frames(stream)) {
        if (
          X509SVIDResponse.decode(message).svids.some((svid) => svid.spiffeId.endsWith(`/${name}`))
        ) {
          stream.close()
          return
        }
      }
    } catch {
      // No identity yet: the stream ends, and is opened again.
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  throw new Error(`${name} was never served`)
}
