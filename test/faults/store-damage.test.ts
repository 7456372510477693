import { cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { silentLogger } from '@mini-spire/runtime/log/logger'
import { LevelStore } from '@mini-spire/server/store/level/level-store'
import type { Store } from '@mini-spire/server/store/store'
import { putEntries, RecordedState, testEntry } from '@mini-spire/server/store/store.test-kit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

/** Every byte of the small files, and so many of each large one. */
const flipsPerFile = 150

let base = ''
const original = (): string => join(base, 'original')

function create(directory: string): Store {
  return LevelStore.create({ directory, clock: new FakeClock(), log: silentLogger })
}

/** Everything a store says, as text, or the error it refuses to open with. */
async function reading(directory: string): Promise<string> {
  const store = create(directory)
  const state = new RecordedState()
  try {
    await store.open(state.listener)
    const issued: unknown[] = []
    const range = { fromMs: 0, toMs: Number.MAX_SAFE_INTEGER }
    for await (const record of store.issuance.list(range)) issued.push(record)
    return JSON.stringify([store.position(), state.changes, issued])
  } finally {
    await store.close()
  }
}

beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'store-damage-'))
  for (const session of [0, 1, 2]) {
    const store = create(original())
    await store.open(() => {})
    for (let at = 0; at < 20; at++) {
      const ids = ['a', 'b', 'c'].map((part) => testEntry(`${session}-${at}-${part}`))
      await store.commit([putEntries(...ids)])
      store.issuance.append({
        type: 'x509-svid',
        identifier: `${session}${at}`,
        spiffeId: 'spiffe://example.org/web',
        entryId: 'a',
        requester: 'spiffe://example.org/spire/agent/x',
        issuedAtSeconds: 1_700_000_000,
        expiresAtSeconds: 1_700_003_600,
      })
    }
    await store.close()
  }
})

afterAll(() => rm(base, { recursive: true, force: true }))

async function damaged(change: (directory: string) => Promise<void>): Promise<string> {
  const copy = join(base, 'copy')
  await rm(copy, { recursive: true, force: true })
  await cp(original(), copy, { recursive: true })
  await change(copy)
  try {
    return await reading(copy)
  } catch (error) {
    expect(error).toMatchObject({
      code: expect.stringMatching(/^ERR_STORE_(CORRUPT|UNAVAILABLE|VERSION)$/),
      message: expect.stringMatching(/store/),
    })
    return 'refused'
  }
}

describe('a damaged store', () => {
  it('is refused or reads exactly as before, whichever bit is flipped', async () => {
    const whole = await damaged(() => Promise.resolve())
    expect(whole).toContain('2-19-c')
    const names = (await readdir(original())).filter((name) => !/^LO[CG]/.test(name))
    const counts = { refused: 0, harmless: 0 }
    for (const name of names) {
      const { size } = await stat(join(original(), name))
      const step = Math.max(1, size / flipsPerFile)
      for (let place = 0; place < size; place += step) {
        const at = Math.floor(place)
        const outcome = await damaged(async (directory) => {
          const bytes = await readFile(join(directory, name))
          bytes[at] = (bytes[at] ?? 0) ^ (1 << (at % 8))
          await writeFile(join(directory, name), bytes)
        })
        if (outcome === 'refused') counts.refused++
        else {
          expect(outcome === whole, `${name} at ${at}`).toBe(true)
          counts.harmless++
        }
      }
    }
    console.info(`${counts.refused} flips refused, ${counts.harmless} without effect`)
    expect(counts.refused).toBeGreaterThan(counts.harmless)
  })

  it.each(['half', 'one byte'])(
    'is refused when the newest log has lost %s of its end',
    async (part) => {
      const outcome = await damaged(async (directory) => {
        const name = (await readdir(directory)).find((found) => /^\d+\.log$/.test(found)) ?? ''
        const bytes = await readFile(join(directory, name))
        const left = part === 'half' ? bytes.length >> 1 : bytes.length - 1
        await writeFile(join(directory, name), bytes.subarray(0, left))
      })
      // The last write was issuance, which nothing outside the log remembers; half of the log held changes.
      if (part === 'half') expect(outcome).toBe('refused')
      else expect(outcome).toContain('2-19-c')
    },
  )

  it('is refused when everything but the memory of what was acknowledged is gone', async () => {
    const outcome = await damaged(async (directory) => {
      for (const name of await readdir(directory)) {
        if (name !== 'ACKNOWLEDGED') await rm(join(directory, name))
      }
    })
    expect(outcome).toBe('refused')
  })
})
