import { EntryService } from '@mini-spire/runtime/proto/spire/api/server/entry/v1/entry'
import { ServerDeployment } from '../../kit/deployment.ts'
import { type Programs, runProgram, Scene } from '../../kit/processes.ts'
import type { Benchmark, Figure } from '../bench.ts'
import { makeEntries } from '../entries.ts'
import { WireClient } from '../grpc-wire.ts'
import { cpuMicros, percentile, residentMegabytes } from '../measure.ts'
import { untilServing } from '../until-serving.ts'

const batch = 500
/** A million entries are read and proven in half a minute, longer on a busy machine. */
const startTimeoutMs = 300_000

/** A large deployment: memory, and the time from start to serving; and what a command costs. */
export const scale: Benchmark = {
  name: 'scale',
  async *run(programs: Programs): AsyncGenerator<Figure> {
    await using scene = new Scene()
    const server = yield* filledServer(scene, programs, 100_000)
    const times = Array.from({ length: 7 }, () => {
      const before = performance.now()
      const done = runProgram(programs.server, ['entry', 'count', '-socketPath', server.socket])
      if (done.status !== 0) throw new Error(done.stderr)
      return performance.now() - before
    }).sort((a, b) => a - b)
    yield {
      row: 'command that talks to a socket, wall',
      value: percentile(times, 0.5),
      unit: 'ms',
      note: 'entry count',
    }
  },
}

/** The largest deployment that is promised; takes minutes, so it runs only when it is named. */
export const million: Benchmark = {
  name: 'million',
  async *run(programs: Programs): AsyncGenerator<Figure> {
    await using scene = new Scene()
    yield* filledServer(scene, programs, 1_000_000)
  },
}

/** Creates so many entries over the wire, and starts the server again with them. */
async function* filledServer(
  scene: Scene,
  programs: Programs,
  total: number,
): AsyncGenerator<Figure, ServerDeployment> {
  const server = await ServerDeployment.start(scene, { program: programs.server, logLevel: 'INFO' })
  const pid = (): number => server.daemon.process.pid ?? 0
  const size = `${total.toLocaleString('en')} entries`
  const local = WireClient.unix(server.socket)
  const create = async (count: number, from: number): Promise<void> => {
    const parentId = `spiffe://${server.trustDomain}/spire/agent/x/${from % 1000}`
    const entries = makeEntries(count, { parentId, prefix: '/scale', from })
    await local.unary(EntryService.batchCreateEntry, { entries, outputMask: undefined })
  }
  for (let from = 0; from < total; from += batch) await create(batch, from)
  yield { row: `${size}: RSS after creating them`, value: residentMegabytes(pid()), unit: 'MB' }
  const before = cpuMicros(pid())
  for (let at = 0; at < 50; at++) await create(100, total + at * 100)
  const value = (cpuMicros(pid()) - before) / 5000
  yield { row: `BatchCreateEntry of 100, per entry, at ${size}`, value, unit: 'µs CPU' }
  local.close()
  await server.daemon.stop()
  const started = performance.now()
  server.launch()
  await untilServing(server.socket, startTimeoutMs)
  const seconds = (performance.now() - started) / 1000
  const note = `${(cpuMicros(pid()) / 1e6).toFixed(1)} s CPU`
  yield { row: `${size}: start to serving`, value: seconds, unit: 's', note }
  yield { row: `${size}: RSS`, value: residentMegabytes(pid()), unit: 'MB' }
  return server
}
