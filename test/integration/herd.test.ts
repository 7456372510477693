import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { WorkloadApiClient } from '@mini-spire/sdk/workload-api'
import { describe, expect, it } from 'vitest'
import { hasProgram, missingPeer } from '../kit/peers.ts'
import { type Daemon, finishProgram } from '../kit/processes.ts'
import { root } from '../kit/repository.ts'
import { ServedWorkload } from '../kit/served-workload.ts'

const isRoot = process.getuid?.() === 0
const stranger = 54_321
const connections = 40
const callsPerConnection = 20
const fetches = 40
/** What a workload may have to wait while another floods: its turn behind the flooder's outstanding calls, on any machine. */
const patienceMs = 10_000
/** As many as a large node has. */
const herd = 2_000

/**
 * A workload of another user that calls as fast as it gets answers, on many connections, and holds idle ones besides. It
 * becomes that user after it has loaded its code, which that user may not be able to read.
 */
function flood(served: ServedWorkload): Daemon {
  const program = `
    import { connect } from 'node:net'
    import { WorkloadApiClient } from '@mini-spire/sdk/workload-api'
    process.chdir('/')
    process.setgroups([])
    process.setgid(${stranger})
    process.setuid(${stranger})
    for (let idle = 0; idle < 500; idle++) connect('${served.agent.socket}').on('error', () => {})
    let answers = 0
    const call = async (client) => {
      for (;;) {
        await client.fetchX509Context().catch(() => {})
        if (++answers % 1000 === 0) console.log('answered ' + answers)
      }
    }
    for (let at = 0; at < ${connections}; at++) {
      const client = new WorkloadApiClient({ address: '${served.agent.address}' })
      for (let one = 0; one < ${callsPerConnection}; one++) void call(client)
    }`
  const args = ['--input-type=module', '-e', program]
  return served.scene.start({ command: process.execPath, args: [] }, args, { cwd: root })
}

async function fetchTimed(address: string): Promise<number> {
  const startMs = performance.now()
  using client = new WorkloadApiClient({ address })
  const { spiffeId } = await client.fetchX509Svid({ signal: AbortSignal.timeout(patienceMs) })
  expect(spiffeId.path).toBe('/workload')
  return performance.now() - startMs
}

describe.skipIf(!isRoot && missingPeer('root', 'run the tests as root, to become another user'))(
  'a workload that floods',
  () => {
    it('does not starve those of another user: all get their identity, new entries too', async () => {
      await using served = await ServedWorkload.start()
      chmodSync(served.scene.folder, 0o711)
      const flooder = flood(served)
      await flooder.waitFor('answered 2000')
      expect(served.agent.daemon.output).toContain(`uid:${stranger}`)
      const before = flooder.output.length
      const timesMs: number[] = []
      for (let count = 0; count < fetches; count++)
        timesMs.push(await fetchTimed(served.agent.address))
      timesMs.sort((a, b) => a - b)
      const median = Math.round(timesMs[Math.floor(fetches / 2)] ?? 0)
      process.stdout.write(
        `herd: identity during a flood: median ${median} ms, longest ${Math.round(timesMs.at(-1) ?? 0)} ms\n`,
      )
      served.register('/late')
      await served.agent.daemon.waitFor(/Creating X509-SVID.*\/late/)
      expect(flooder.output.length).toBeGreaterThan(before)
      expect(flooder.process.exitCode).toBeNull()
    }, 120_000)
  },
)

describe.skipIf(
  !hasProgram('python3', '--version') && missingPeer('python3', 'apt-get install python3'),
)('two thousand workloads that connect at once', () => {
  it('all get their identity, and keep it side by side', async () => {
    await using served = await ServedWorkload.start()
    const script = join(root, 'test/interop/python/herd.py')
    const python = { command: 'python3', args: [script] }
    const done = await finishProgram(python, [served.agent.socket, served.id, String(herd)])
    expect(done.stderr).toBe('')
    expect(JSON.parse(done.stdout)).toEqual({ '+': herd, '-': 0, '!': 0 })
    expect(done.status).toBe(0)
    expect(served.agent.cli('healthcheck').status).toBe(0)
  }, 120_000)
})
