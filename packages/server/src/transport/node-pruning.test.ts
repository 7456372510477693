import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { noMetrics } from '@mini-spire/runtime/telemetry/metrics'
import { SpiffeId, TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { expect, it } from 'vitest'
import { createJoinToken, joinTokenAgentId } from '../attestation/join-tokens.ts'
import { RecordingLog } from '../ca/ca.test-kit.ts'
import { Registry } from '../registry/registry.ts'
import { MemoryStore } from '../store/memory/memory-store.ts'
import type { Cause } from '../store/store.ts'
import { nodePruningTask } from './node-pruning.ts'

const cause: Cause = { actor: { class: 'local', id: 'uid:0' }, requestId: '', reason: 'test' }
const trustDomain = TrustDomain.parse('example.org')
const config = { expiredForMs: 3_600_000, batchSize: 1000, includesNonReattestable: true }

async function setup() {
  const clock = new FakeClock()
  const store = MemoryStore.create({ clock })
  const registry = new Registry({ clock })
  await store.open((changes) => registry.apply(changes))
  const log = new RecordingLog()
  const taskWith = (spread: number) =>
    nodePruningTask({ config, registry, store, clock, log, spread, metrics: noMetrics })
  return { clock, store, registry, log, taskWith }
}

it('comes every hour, up to a quarter of one sooner or later, in whole seconds', async () => {
  const { taskWith } = await setup()
  const minutes = [0, 0.5, 0.9999999].map((spread) => taskWith(spread).intervalMs / 60_000)
  expect(minutes).toEqual([45, 60, 4499 / 60])
})

it('says that it begins, how many agents went, none included, and which entries went along', async () => {
  const { clock, store, registry, log, taskWith } = await setup()
  const state = { records: registry, store }
  const agentId = SpiffeId.parse('spiffe://example.org/host')
  await createJoinToken(
    { ttlSeconds: 60, token: 't', agentId },
    { state, trustDomain, clock, cause },
  )
  const spiffeId = joinTokenAgentId(trustDomain, 't')
  const value = {
    spiffeId,
    attestationType: 'join_token',
    serialNumber: '1',
    expiresAtSeconds: clock.nowMs() / 1000,
    newSerialNumber: '',
    newExpiresAtSeconds: 0,
    canReattest: false,
    agentVersion: '',
    selectors: [],
  }
  const key = String(spiffeId)
  await store.commit([
    { cause, mutations: [{ op: 'put', kind: 'node', key, value, expect: 'absent' }] },
  ])
  const task = taskWith(0.5)
  clock.advance(3_600_000)
  await task.work()
  clock.advance(1)
  await task.work()
  expect(registry.nodes.size).toBe(0)
  expect(log.lines).toEqual([
    {
      message: 'Periodic prune of expired nodes started',
      fields: { retry_interval: '1h0m0s', expired_for: '1h0m0s', include_tofu: true },
    },
    { message: 'Pruned expired agents', fields: { count: 0 } },
    {
      message: 'Cascade-deleted registration entry on attested node deletion',
      fields: { spiffe_id: String(agentId), parent_id: key, entry_id: expect.any(String) },
    },
    { message: 'Pruned expired agents', fields: { count: 1 } },
  ])
})
