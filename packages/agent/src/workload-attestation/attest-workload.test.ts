import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import type { UnixPeer } from '@mini-spire/runtime/grpc/call-context'
import { silentLogger } from '@mini-spire/runtime/log/logger'
import { PeerError } from '@mini-spire/runtime/peer/peer-error'
import type { MetricLabels } from '@mini-spire/runtime/telemetry/metrics'
import { describe, expect, it } from 'vitest'
import type { WorkloadAttestor } from '../plugins/workload-attestor/workload-attestor.ts'
import { WorkloadAttestation } from './attest-workload.ts'

const peer: UnixPeer = { kind: 'unix', pid: 7, uid: 1, gid: 1, assertAlive: () => {} }
const { signal } = new AbortController()
const good: WorkloadAttestor = {
  name: 'good',
  attest: () => [{ type: 'unix', value: 'uid:1' }],
}
const broken: WorkloadAttestor = {
  name: 'broken',
  attest: () => {
    throw new Error('no answer of the kubelet')
  },
}
const silent: WorkloadAttestor = { name: 'silent', attest: () => new Promise(() => {}) }

/** Attests with these attestors; `calls` are the statuses that were counted for each. */
function scene(...attestors: readonly WorkloadAttestor[]) {
  const clock = new FakeClock()
  const calls: MetricLabels[] = []
  const attestation = new WorkloadAttestation({
    attestors,
    clock,
    log: silentLogger,
    ownPid: 1,
    metrics: {
      count: (key, _value, labels) => {
        if (key.at(-1) === 'workload_attestor' && labels) calls.push(labels)
      },
      gauge: () => {},
      sample: () => {},
    },
  })
  return { clock, calls, attestation }
}

describe('attesting a workload', () => {
  it('goes on without an attestor that fails', async () => {
    const { attestation } = scene(broken, good)
    expect((await attestation.attest(peer, signal)).selectors).toEqual([
      { type: 'unix', value: 'uid:1' },
    ])
  })

  it('fails when all attestors fail, with the reason of each', async () => {
    const { attestation } = scene(broken, { ...broken, name: 'other' })
    await expect(attestation.attest(peer, signal)).rejects.toMatchObject({
      code: 'ERR_WORKLOAD_ATTESTATION_FAILED',
      kind: 'unavailable',
      message:
        'workload attestor "broken" failed: no answer of the kubelet\n' +
        'workload attestor "other" failed: no answer of the kubelet',
    })
  })

  it('waits 20 seconds for an attestor: ERR_WORKLOAD_ATTESTOR_TIMEOUT counts as a missed deadline', async () => {
    const { attestation, clock, calls } = scene(silent, good)
    const attesting = attestation.attest(peer, signal)
    clock.advance(20_000)
    expect((await attesting).selectors).toHaveLength(1)
    expect(calls).toEqual([
      { attestor: 'good', status: 'OK' },
      { attestor: 'silent', status: 'DeadlineExceeded' },
    ])
  })

  it('is about the process that connected: one that has gone gets nothing [gate 12]', async () => {
    const assertAlive = (): void => {
      throw new PeerError('ERR_PEER_GONE', 'process 7 has ended')
    }
    const { attestation } = scene(good)
    await expect(attestation.attest({ ...peer, assertAlive }, signal)).rejects.toMatchObject({
      code: 'ERR_WORKLOAD_GONE',
      kind: 'unauthenticated',
      message: 'could not verify existence of the original caller: process 7 has ended',
    })
  })
})
