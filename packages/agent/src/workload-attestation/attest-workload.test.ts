import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import type { UnixPeer } from '@mini-spire/runtime/grpc/call-context'
import { silentLogger } from '@mini-spire/runtime/log/logger'
import { PeerError } from '@mini-spire/runtime/peer/peer-error'
import type { MetricLabels } from '@mini-spire/runtime/telemetry/metrics'
import { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import { describe, expect, it } from 'vitest'
import type { WorkloadReference } from '../model/workload-reference.ts'
import type { WorkloadAttestor } from '../plugins/workload-attestor/workload-attestor.ts'
import { WorkloadAttestation } from './attest-workload.ts'
import {
  ReferenceAttestationError,
  WorkloadAttestationError,
} from './workload-attestation-error.ts'

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
  const errors: string[] = []
  const calls: MetricLabels[] = []
  const attestation = new WorkloadAttestation({
    attestors,
    clock,
    log: { ...silentLogger, error: (text, fields) => errors.push(`${text}: ${fields?.['error']}`) },
    ownPid: 1,
    metrics: {
      count: (key, _value, labels) => {
        if (key.at(-1) === 'workload_attestor' && labels) calls.push(labels)
      },
      gauge: () => {},
      sample: () => {},
    },
  })
  return { clock, calls, errors, attestation }
}

describe('attesting a workload', () => {
  it('goes on without an attestor that fails', async () => {
    const { attestation, errors } = scene(broken, good)
    expect((await attestation.attest(peer, signal)).selectors).toEqual([
      { type: 'unix', value: 'uid:1' },
    ])
    const why = 'rpc error: code = Unknown desc = no answer of the kubelet'
    expect(errors).toEqual([
      `workload attestor "broken" failed: ${why}`,
      `Failed to collect all selectors: workload attestor "broken" failed: ${why}`,
    ])
  })

  it('fails when all attestors fail, with the reason of each', async () => {
    const { attestation } = scene(broken, { ...broken, name: 'other' })
    await expect(attestation.attest(peer, signal)).rejects.toMatchObject({
      code: 'ERR_WORKLOAD_ATTESTATION_FAILED',
      kind: 'unavailable',
      message:
        'workload attestor "broken" failed: rpc error: code = Unknown desc = no answer of the kubelet\n' +
        'workload attestor "other" failed: rpc error: code = Unknown desc = no answer of the kubelet',
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

describe('attesting what a broker names', () => {
  const broker = SpiffeId.parse('spiffe://example.org/broker')
  const reference = (kind: 'process' | 'other'): WorkloadReference => ({
    typeUrl: 'type.googleapis.com/x',
    encoded: new Uint8Array(),
    subject: kind === 'process' ? { kind, pid: 7 } : { kind },
  })
  const ofProcess = { reference: reference('process'), broker, process: { pid: 7, uid: 1, gid: 1 } }
  const ofOther = { reference: reference('other'), broker, process: undefined }
  const knowing: WorkloadAttestor = {
    name: 'knowing',
    attest: () => [],
    attestReference: ({ broker: who }) => [{ type: 'knowing', value: `for:${who.path}` }],
  }
  const unknowing: WorkloadAttestor = {
    name: 'unknowing',
    attest: () => [{ type: 'unknowing', value: 'never' }],
    attestReference: () => {
      throw new WorkloadAttestationError('ERR_WORKLOAD_REFERENCE_UNSUPPORTED', 'not mine')
    },
  }
  const refusing: WorkloadAttestor = {
    name: 'refusing',
    attest: () => [],
    attestReference: () =>
      Promise.reject(new ReferenceAttestationError('not-found', 'workloadattestor(refusing): no')),
  }

  it('asks those who know processes only for the process', async () => {
    const { attestation } = scene(good, knowing)
    expect((await attestation.attestReference(ofProcess, signal)).selectors).toEqual([
      { type: 'unix', value: 'uid:1' },
      { type: 'knowing', value: 'for:/broker' },
    ])
  })

  it('leaves those out who do not understand the reference, which is no failure', async () => {
    const { attestation, calls } = scene(good, unknowing, knowing)
    expect((await attestation.attestReference(ofOther, signal)).selectors).toEqual([
      { type: 'knowing', value: 'for:/broker' },
    ])
    expect(calls.map(({ status }) => status)).toEqual(['OK', 'OK', 'OK'])
  })

  it('fails when nobody understands it: ERR_WORKLOAD_REFERENCE_UNSUPPORTED', async () => {
    const { attestation } = scene(good, unknowing)
    await expect(attestation.attestReference(ofOther, signal)).rejects.toMatchObject({
      code: 'ERR_WORKLOAD_REFERENCE_UNSUPPORTED',
      kind: 'unimplemented',
      message: 'no workload attestor handled reference',
    })
  })

  it('goes on without one that fails', async () => {
    const { attestation } = scene(refusing, knowing)
    expect((await attestation.attestReference(ofOther, signal)).selectors).toHaveLength(1)
  })

  it('fails with the status of the first and the words of all: ERR_WORKLOAD_REFERENCE_FAILED', async () => {
    const { attestation, calls } = scene(good, refusing, {
      ...broken,
      attestReference: () => broken.attest(ofProcess.process, signal),
    })
    await expect(attestation.attestReference(ofOther, signal)).rejects.toMatchObject({
      code: 'ERR_WORKLOAD_REFERENCE_FAILED',
      kind: 'not-found',
      message:
        'workload attestor "refusing" failed: rpc error: code = NotFound desc = workloadattestor(refusing): no\n' +
        'workload attestor "broken" failed: rpc error: code = Unknown desc = no answer of the kubelet',
    })
    expect(calls.map(({ status }) => status).sort()).toEqual(['NotFound', 'OK', 'Unknown'])
  })

  it('waits no longer for one than for a caller', async () => {
    const slow: WorkloadAttestor = { ...silent, attestReference: () => new Promise(() => {}) }
    const { attestation, clock } = scene(slow)
    const attesting = attestation.attestReference(ofOther, signal)
    clock.advance(20_000)
    await expect(attesting).rejects.toMatchObject({ kind: 'deadline-exceeded' })
  })
})
