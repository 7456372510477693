import { writeFileSync } from 'node:fs'
import { SystemdAttestor } from '@mini-spire/agent/plugins/workload-attestor/systemd/systemd'
import { workloadAttestorContract } from '@mini-spire/agent/plugins/workload-attestor/workload-attestor.contract'
import { systemClock } from '@mini-spire/runtime/clock'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hasProgram, isPythonMissing, missingPeer, pythonPeer } from '../kit/peers.ts'
import { Scene } from '../kit/processes.ts'

const ownUid = process.geteuid?.() ?? -1

function isBusMissing(): boolean {
  if (hasProgram('dbus-daemon', '--version')) return false
  return missingPeer('the D-Bus daemon', 'apt-get install dbus')
}

describe.skipIf(isBusMissing() || isPythonMissing())('systemd on a real bus', () => {
  let scene: Scene
  let busAddress: string
  beforeAll(async () => {
    scene = new Scene()
    busAddress = `unix:path=${scene.path('bus.sock')}`
    const config = scene.path('bus.conf')
    writeFileSync(
      config,
      `<busconfig><type>session</type><listen>${busAddress}</listen><auth>EXTERNAL</auth>
      <policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy></busconfig>`,
    )
    const daemon = { command: 'dbus-daemon', args: ['--nofork', '--print-address'] }
    await scene.start(daemon, [`--config-file=${config}`]).waitFor('unix:path=')
    const script = new URL('python/systemd1.py', import.meta.url).pathname
    const service = scene.start({ command: await pythonPeer(), args: [script] }, [busAddress])
    await service.waitFor('ready')
  })
  afterAll(() => scene?.[Symbol.asyncDispose]())

  const attest = async (pid: number, address = busAddress): Promise<readonly string[]> => {
    const attestor = new SystemdAttestor({ busAddress: address, ownUid, clock: systemClock })
    const selectors = await attestor.attest({ pid, uid: 0, gid: 0 }, new AbortController().signal)
    return selectors.map(({ type, value }) => `${type}:${value}`)
  }

  workloadAttestorContract({ describe, it, expect }, 'systemd', () => ({
    attestor: new SystemdAttestor({ busAddress, ownUid, clock: systemClock }),
    workload: { pid: 4711, uid: 0, gid: 0 },
  }))

  it('names the unit of a process and where it is defined', async () => {
    expect(await attest(4711)).toEqual([
      'systemd:id:web.service',
      'systemd:fragment_path:/etc/systemd/system/web.service',
    ])
    expect(await attest(4712)).toEqual(['systemd:id:session-2.scope', 'systemd:fragment_path:'])
  })

  it('fails for a process of no unit, in the service manager’s words', async () => {
    await expect(attest(1)).rejects.toThrow(
      'workloadattestor(systemd): failed to get unit by pid 1: PID 1 does not belong to any loaded unit.',
    )
  })

  it('fails when there is no bus', async () => {
    await expect(attest(4711, 'unix:path=/missing/bus')).rejects.toThrow(
      'workloadattestor(systemd): failed to open dbus connection: ',
    )
    await expect(attest(4711, 'tcp:host=127.0.0.1')).rejects.toThrow('no socket in the bus address')
  })

  it('serves many workloads at once', async () => {
    const all = await Promise.all(Array.from({ length: 50 }, () => attest(4711)))
    expect(new Set(all.map(String)).size).toBe(1)
  })
})
