import { EntryService } from '@mini-spire/runtime/proto/spire/api/server/entry/v1/entry'
import { ServerDeployment } from '../../kit/deployment.ts'
import { type Programs, runProgram, Scene } from '../../kit/processes.ts'
import type { Benchmark, Figure } from '../bench.ts'
import { makeEntries } from '../entries.ts'
import { WireClient } from '../grpc-wire.ts'
import { percentile, residentMegabytes } from '../measure.ts'

const total = 100_000
const batch = 500

/** A large deployment: memory, and the time from start to serving; and what a command costs. */
export const scale: Benchmark = {
  name: 'scale',
  async *run(programs: Programs): AsyncGenerator<Figure> {
    await using scene = new Scene()
    const server = await ServerDeployment.start(scene, {
      program: programs.server,
      logLevel: 'INFO',
    })
    const local = WireClient.unix(server.socket)
    for (let from = 0; from < total; from += batch) {
      const entries = makeEntries(batch, {
        parentId: `spiffe://${server.trustDomain}/spire/agent/x/${from % 100}`,
        prefix: '/scale',
        from,
      })
      await local.unary(EntryService.batchCreateEntry, { entries, outputMask: undefined })
    }
    local.close()
    await server.daemon.stop()
    const started = performance.now()
    await server.restart()
    const seconds = (performance.now() - started) / 1000
    yield {
      row: '100,000 entries: start to serving',
      value: seconds,
      unit: 's',
      note: 'with the health check that sees it',
    }
    yield {
      row: '100,000 entries: RSS',
      value: residentMegabytes(server.daemon.process.pid ?? 0),
      unit: 'MB',
    }
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
