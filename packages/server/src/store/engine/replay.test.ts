import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { silentLogger } from '@mini-spire/runtime/log/logger'
import { describe, expect, it } from 'vitest'
import { MemoryBackend } from '../memory/memory-backend.ts'
import { putEntries, RecordedState, testCause, testEntry, testNode } from '../store.test-kit.ts'
import { LogStore } from './log-store.ts'

type Tampering = (records: readonly Uint8Array[]) => readonly Uint8Array[]

/** Hands out its records otherwise than it should. */
class TamperedBackend extends MemoryBackend {
  tampering: Tampering = (records) => records

  override async *records(): AsyncGenerator<readonly Uint8Array[], void> {
    for await (const records of super.records()) yield this.tampering(records)
  }
}

function storeOn(backend: MemoryBackend): LogStore {
  const options = { clock: new FakeClock(), log: silentLogger, issuanceRetentionMs: 1000 }
  return new LogStore({ backend, ...options })
}

/** What the listener hears when a store of three entries and a node is opened with its records handed out like this. */
async function opening(tampering: Tampering): Promise<readonly string[]> {
  const backend = new TamperedBackend('epoch')
  const first = storeOn(backend)
  await first.open(() => {})
  const node = testNode('/spire/agent/x')
  const mutation = { op: 'put', kind: 'node', key: `${node.spiffeId}`, value: node } as const
  await first.commit([
    putEntries(testEntry('a'), testEntry('b'), testEntry('c')),
    { cause: testCause, mutations: [{ ...mutation, expect: 'absent' }] },
  ])
  await first.close()
  backend.tampering = tampering
  const state = new RecordedState()
  await storeOn(backend).open(state.listener)
  return state.names()
}

const flipped = (bytes: Uint8Array, at: number): Uint8Array =>
  bytes.map((byte, index) => (index === at ? byte ^ 1 : byte))

describe('replay of a store', () => {
  it('hands out every record when all are as the log says', async () => {
    expect(await opening((records) => records)).toEqual([
      'entry a',
      'entry b',
      'entry c',
      'node spiffe://example.org/spire/agent/x',
    ])
  })

  it.each<[string, Tampering]>([
    ['one is missing', (records) => records.slice(1)],
    ['the last is missing', (records) => records.slice(0, -1)],
    ['one comes twice', ([a, ...rest]) => (a ? [a, a, ...rest] : [])],
    ['one comes in the place of another', ([a, , ...rest]) => (a ? [a, a, ...rest] : [])],
    ['two have changed places', ([a, b, ...rest]) => (a && b ? [b, a, ...rest] : [])],
    ['a kind comes before its turn', (records) => [...records].reverse()],
    ['one is cut off', ([a, ...rest]) => (a ? [a.subarray(0, -1), ...rest] : [])],
    ['one is empty', ([, ...rest]) => [new Uint8Array(2).fill(1), ...rest]],
  ])('refuses a store in which %s', async (_, tampering) => {
    await expect(opening(tampering)).rejects.toMatchObject({ code: 'ERR_STORE_CORRUPT' })
  })

  it('refuses a store in which any bit of a record is another one', async () => {
    let length = 0
    await opening((records) => {
      length = records[1]?.length ?? 0
      return records
    })
    for (let at = 0; at < length; at++) {
      const tampering: Tampering = ([a, b, ...rest]) => (a && b ? [a, flipped(b, at), ...rest] : [])
      await expect(opening(tampering)).rejects.toMatchObject({
        code: expect.stringMatching(/^ERR_STORE_(CORRUPT|VERSION)$/),
      })
    }
  })
})
