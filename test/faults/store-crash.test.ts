import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { systemClock } from '@mini-spire/runtime/clock'
import { silentLogger } from '@mini-spire/runtime/log/logger'
import { Registry } from '@mini-spire/server/registry/registry'
import { LevelStore } from '@mini-spire/server/store/level/level-store'
import { build } from 'esbuild'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { root } from '../kit/repository.ts'

const rounds = 25
const outdir = join(root, 'node_modules', '.cache', 'mini-spire-faults')
const program = join(outdir, 'store-writer.mjs')
let directory = ''

beforeAll(async () => {
  await mkdir(outdir, { recursive: true })
  await build({
    entryPoints: [join(root, 'test', 'faults', 'store-writer.ts')],
    outfile: program,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    conditions: ['source'],
    external: ['classic-level'],
    banner: {
      js: "import { createRequire as __cr } from 'node:module'; const require = __cr(import.meta.url);",
    },
    logLevel: 'error',
  })
  directory = await mkdtemp(join(tmpdir(), 'store-crash-'))
})

afterAll(() => rm(directory, { recursive: true, force: true }))

/** Lets the writer run until it has reported so many transactions, then kills it; returns all that it reported. */
async function writeAndKill(round: number, killAfter: number): Promise<readonly string[]> {
  const child = spawn(process.execPath, [program, join(directory, 'store'), `${round}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const acknowledged: string[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    acknowledged.push(line)
    if (acknowledged.length === killAfter) child.kill('SIGKILL')
  }
  return acknowledged
}

it('a kill at any moment loses nothing acknowledged and tears no transaction', async () => {
  const seed = Number(process.env['SEED'] ?? 20_260_301)
  console.info(`seed ${seed}`)
  let chance = seed
  const acknowledged = new Set<string>()
  for (let round = 0; round < rounds; round++) {
    chance = (chance * 48_271) % 0x7fffffff
    for (const name of await writeAndKill(round, 1 + (chance % 400))) acknowledged.add(name)

    const registry = new Registry({ clock: systemClock })
    const store = LevelStore.create({
      directory: join(directory, 'store'),
      clock: systemClock,
      log: silentLogger,
    })
    await store.open((changes) => registry.apply(changes))
    const found = new Map<string, number>()
    for (const { id } of registry.entries.values()) {
      const name = id.slice(0, id.lastIndexOf('-'))
      found.set(name, (found.get(name) ?? 0) + 1)
    }
    expect([...found].filter(([, parts]) => parts !== 3)).toEqual([])
    expect([...acknowledged].filter((name) => !found.has(name))).toEqual([])
    expect(store.position().revision).toBe(registry.entries.size)
    await store.close()
  }
  expect(acknowledged.size).toBeGreaterThan(rounds)
})
