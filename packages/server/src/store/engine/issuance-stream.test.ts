import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { silentLogger } from '@mini-spire/runtime/log/logger'
import { describe, expect, it } from 'vitest'
import { MemoryBackend } from '../memory/memory-backend.ts'
import type { IssuanceLog, IssuanceRecord } from '../store.ts'
import type { BackendWrite } from './backend.ts'
import { LogStore } from './log-store.ts'

const retentionMs = 60_000

/** A disk that counts what it is given, and can be full. */
class CountingBackend extends MemoryBackend {
  isFull = false
  values = 0

  override write(write: BackendWrite): Promise<void> {
    if (this.isFull) return Promise.reject(new Error('No space left on device'))
    this.values += write.issuance.length
    return super.write(write)
  }
}

async function scene(backend = new CountingBackend('epoch')) {
  const clock = new FakeClock()
  const log = silentLogger
  const store = new LogStore({ backend, clock, log, issuanceRetentionMs: retentionMs })
  await store.open(() => {})
  return { backend, clock, store, issuance: store.issuance }
}

function issued(identifier: string): IssuanceRecord {
  const [spiffeId, requester] = ['spiffe://example.org/web', 'uid:0']
  const [issuedAtSeconds, expiresAtSeconds] = [1_700_000_000, 1_700_000_300]
  const type = 'jwt-svid'
  return { type, identifier, spiffeId, entryId: 'a', requester, issuedAtSeconds, expiresAtSeconds }
}

async function listed(issuance: IssuanceLog, fromMs = 0, toMs = 2 ** 48): Promise<string> {
  const identifiers: string[] = []
  for await (const { identifier } of issuance.list({ fromMs, toMs })) identifiers.push(identifier)
  return identifiers.join(' ')
}

describe('issuance records', () => {
  it('appended together are one value, and each is found by its own instant', async () => {
    const { backend, clock, issuance } = await scene()
    const startMs = clock.nowMs()
    for (const name of ['a', 'b', 'c']) {
      issuance.append(issued(name))
      clock.advance(50)
    }
    await issuance.flush()
    expect(backend.values).toBe(1)
    expect(await listed(issuance, startMs + 50, startMs + 100)).toBe('b')
    expect(await listed(issuance, startMs + 50)).toBe('b c')
    expect(await listed(issuance, startMs, startMs + 1)).toBe('a')
  })

  it('of a clock that is set back or far on are values of their own', async () => {
    const { backend, clock, issuance } = await scene()
    const startMs = clock.nowMs()
    for (const stepMs of [0, -10_000, 999, 1000]) {
      clock.advance(stepMs)
      issuance.append(issued(`${stepMs}`))
    }
    await issuance.flush()
    expect(backend.values).toBe(3)
    expect(await listed(issuance, startMs)).toBe('0')
    expect(await listed(issuance, 0, startMs)).toBe('-10000 999 1000')
  })

  it('are many small values rather than a large one', async () => {
    const { backend, issuance } = await scene()
    for (let at = 0; at < 1900; at++) issuance.append(issued(`${at}`))
    await issuance.flush()
    expect(backend.values).toBeGreaterThan(2)
    expect((await listed(issuance)).split(' ')).toHaveLength(1900)
  })

  it('wait in order while the disk is full', async () => {
    const { backend, clock, issuance, store } = await scene()
    backend.isFull = true
    issuance.append(issued('a'))
    await expect(issuance.flush()).rejects.toThrow('No space left')
    issuance.append(issued('b'))
    backend.isFull = false
    clock.advance(10_000)
    await until(() => store.writeFailure === undefined)
    await issuance.flush()
    expect(await listed(issuance)).toBe('a b')
  })

  it('are forgotten when the last of their value has been kept its time, and not before', async () => {
    const { clock, issuance, store, backend } = await scene()
    issuance.append(issued('a'))
    clock.advance(999)
    issuance.append(issued('b'))
    await store.close()
    const reopened = async (laterMs: number): Promise<string> => {
      const again = new LogStore({
        backend,
        clock: new FakeClock(new Date(clock.nowMs() + laterMs)),
        log: silentLogger,
        issuanceRetentionMs: retentionMs,
      })
      await again.open(() => {})
      await again.close()
      return await listed(again.issuance)
    }
    expect(await reopened(retentionMs)).toBe('a b')
    expect(await reopened(retentionMs + 2)).toBe('')
  })
})

describe('a value of the issuance stream', () => {
  const single =
    '01020137187370696666653a2f2f6578616d706c652e6f72672f7765620161057569643a30' +
    '80c49fd50cd8c89fd50c'
  const reading = async (hex: string): Promise<string> => {
    const { backend, clock, issuance } = await scene()
    const value = { timeMs: clock.nowMs(), bytes: Buffer.from(hex, 'hex') }
    await backend.write({ puts: [], deletes: [], segment: undefined, issuance: [value] })
    return await listed(issuance, clock.nowMs(), clock.nowMs() + 1)
  }

  it('is read as it was written before there were groups', async () => {
    expect(await reading(single)).toBe('7')
  })

  it.each([
    ['of a version that is not known', single.replace('01', '03'), 'ERR_STORE_VERSION'],
    ['of a type that is not known', single.replace('0102', '0109'), 'ERR_STORE_VERSION'],
    ['that ends early', single.slice(0, -2), 'ERR_STORE_CORRUPT'],
    ['that goes on', `${single}00`, 'ERR_STORE_CORRUPT'],
    ['of a group that ends early', `0200${single.slice(2, -2)}`, 'ERR_STORE_CORRUPT'],
    ['of a group that goes on', `0200${single.slice(2)}00`, 'ERR_STORE_CORRUPT'],
    ['that is empty', '', 'ERR_STORE_CORRUPT'],
  ])('%s is refused', async (_, hex, code) => {
    await expect(reading(hex)).rejects.toMatchObject({ code })
  })
})

/** Waits for what other turns of the event loop do. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve))
}
