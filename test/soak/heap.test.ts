import { setTimeout as pause } from 'node:timers/promises'
import { expect, it } from 'vitest'
import type { Daemon } from '../kit/processes.ts'
import { ServedWorkload } from '../kit/served-workload.ts'
import { MixedLoad } from './mixed-load.ts'

const scale = Number(process.env['SOAK_SCALE'] ?? '1')
/** Between two of them the heaps are looked at. At full length it takes some eight minutes; an hour is `SOAK_SCALE=8`. */
const blocks = Math.max(4, Math.round(40 * scale))
const roundsEach = 50
/** What keeps something for a moment, such as the five seconds for which a replaced certificate may finish its calls, has let go by then. */
const settleMs = 6000
/** What heaps differ by although nothing is kept; over many operations it does not matter. */
const unsteadyBytes = 1_500_000
const maxBytesPerOperation = 16

const watch = new URL('../kit/heap-watch.mjs', import.meta.url)

/** Looks at what is alive in a daemon once everything else has been collected. */
class HeapWatch {
  readonly #daemon: Daemon
  readonly bytes: number[] = []
  #looks = 0

  constructor(daemon: Daemon) {
    this.#daemon = daemon
  }

  async look(): Promise<void> {
    this.#looks++
    this.#daemon.process.kill('SIGUSR2')
    const line = /heap-watch (\d+) (\d+)\n/g
    const lines = (): RegExpExecArray[] => [...this.#daemon.output.matchAll(line)]
    await this.#daemon.waitUntil(() => lines().length >= this.#looks, 30_000, 'heap-watch')
    const [, heap = '', external = ''] = lines().at(-1) ?? []
    this.bytes.push(Number(heap) + Number(external))
  }

  /** From the smallest of the first half to the smallest of the second. */
  get growth(): number {
    const half = Math.floor(this.bytes.length / 2)
    return Math.min(...this.bytes.slice(-half)) - Math.min(...this.bytes.slice(0, half))
  }

  toString(): string {
    return this.bytes.map((bytes) => (bytes / 1e6).toFixed(2)).join(' ')
  }
}

it('what server and agent keep does not grow with what they did [gate 11]', async () => {
  await using served = await ServedWorkload.start(
    {
      server: 'ratelimit { attestation = false }',
      agent: 'experimental { sync_interval = "1s" }',
    },
    { logLevel: 'INFO', env: { NODE_OPTIONS: `--import ${watch}` } },
    // Without looking into the program of each caller: that takes longer than everything else.
    `
    NodeAttestor "join_token" { plugin_data {} }
    KeyManager "memory" { plugin_data {} }
    WorkloadAttestor "unix" { plugin_data {} }`,
  )
  using load = new MixedLoad(served)
  const heaps = [new HeapWatch(served.server.daemon), new HeapWatch(served.agent.daemon)]
  const block = async (): Promise<void> => {
    for (let n = 0; n < roundsEach; n++) await load.round()
    await pause(settleMs)
  }
  // Caches fill and code is compiled before anything is compared.
  await block()
  const before = load.operations
  for (let n = 0; n < blocks; n++) {
    await block()
    for (const heap of heaps) await heap.look()
  }
  const operations = load.operations - before
  process.stdout.write(
    `soak: ${operations} operations; MB of the server ${heaps[0]}, of the agent ${heaps[1]}\n`,
  )
  // The halves are half of the run apart.
  const bound = unsteadyBytes + (maxBytesPerOperation * operations) / 2
  for (const heap of heaps) expect(heap.growth).toBeLessThan(bound)
  expect(await served.agent.daemon.stop()).toBe(0)
  expect(await served.server.daemon.stop()).toBe(0)
})
