import { execFileSync } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { type Logger, silentLogger } from '@mini-spire/runtime/log/logger'
import { Registry } from '@mini-spire/server/registry/registry'
import { LevelStore } from '@mini-spire/server/store/level/level-store'
import type { Store } from '@mini-spire/server/store/store'
import { putEntries, testEntry } from '@mini-spire/server/store/store.test-kit'
import { afterAll, beforeAll, expect, it } from 'vitest'

const rounds = 5
let disk = ''
let isMounted = false

beforeAll(async () => {
  disk = await mkdtemp(join(tmpdir(), 'store-disk-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=6m', 'tmpfs', disk], { stdio: 'pipe' })
    isMounted = true
  } catch (error) {
    console.warn(`skipped: a small disk cannot be mounted (needs root): ${String(error)}`)
  }
})

afterAll(async () => {
  if (isMounted) execFileSync('umount', [disk])
  await rm(disk, { recursive: true, force: true })
})

interface Opened {
  readonly registry: Registry
  readonly store: Store
  /** Resolves when the store has opened itself again; each failed attempt moves the clock to the next. */
  readonly recovered: () => Promise<void>
}

async function open(): Promise<Opened> {
  const clock = new FakeClock()
  const registry = new Registry({ clock })
  const events = new EventEmitter()
  const log: Logger = {
    ...silentLogger,
    info: (message) => events.emit(message),
    warn: () => clock.advance(10_000),
  }
  const store = LevelStore.create({ directory: join(disk, 'store'), clock, log })
  await store.open((changes) => registry.apply(changes))
  const recovered = async (): Promise<void> => {
    const written = once(events, 'Store can be written again')
    clock.advance(10_000)
    await written
    expect(store.writeFailure).toBeUndefined()
  }
  return { registry, store, recovered }
}

/** Commits until the disk is full; returns the names that were acknowledged. */
async function writeUntilFull(store: Store, round: number): Promise<readonly string[]> {
  const acknowledged: string[] = []
  for (let count = 0; ; count++) {
    const id = `full-${round}-${count}`
    const entry = testEntry(id, { hint: 'x'.repeat(900) + Math.imul(count, 2_654_435_761) })
    try {
      await store.commit([putEntries(entry)])
    } catch (error) {
      expect(error).toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' })
      return acknowledged
    }
    acknowledged.push(id)
  }
}

it('a full disk refuses writes with a reason, keeps reads, and loses nothing when space returns', async (context) => {
  if (!isMounted) return context.skip()
  const acknowledged: string[] = []
  const ballast = join(disk, 'ballast')
  for (let round = 0; round < rounds; round++) {
    await writeFile(ballast, Buffer.alloc(2_500_000))
    const opened = await open()
    const { registry, store } = opened
    acknowledged.push(...(await writeUntilFull(store, round)))
    expect(store.writeFailure?.message).toContain('the store cannot be')
    await expect(store.commit([putEntries(testEntry('refused'))])).rejects.toMatchObject({
      code: 'ERR_STORE_UNAVAILABLE',
    })
    expect(acknowledged.filter((id) => !registry.entries.find(id))).toEqual([])

    await rm(ballast)
    await opened.recovered()
    for (const name of ['after', 'later']) {
      const id = `${name}-${round}`
      expect(await store.commit([putEntries(testEntry(id))])).toEqual([undefined])
      acknowledged.push(id)
    }
    const seen = [...registry.entries.values()].map(({ id }) => id)
    await store.close()

    const again = await open()
    expect(acknowledged.filter((id) => !again.registry.entries.find(id))).toEqual([])
    expect([...again.registry.entries.values()].map(({ id }) => id)).toEqual(seen)
    await again.store.commit(
      acknowledged.splice(0).map((key) => ({
        cause: { actor: { class: 'server', id: 'test' }, requestId: '', reason: 'make room' },
        mutations: [{ op: 'delete', kind: 'entry', key, expect: 'present' }],
      })),
    )
    await again.store.close()
    await rm(join(disk, 'store'), { recursive: true })
  }
})
