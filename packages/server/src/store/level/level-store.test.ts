import {
  chmod,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@mini-spire/runtime/clock'
import { silentLogger } from '@mini-spire/runtime/log/logger'
import { afterAll, describe, expect, it } from 'vitest'
import { storeContract } from '../store.contract.ts'
import { putEntries, RecordedState, testEntry } from '../store.test-kit.ts'
import { LevelStore } from './level-store.ts'

const directories: string[] = []
const create = (directory: string) =>
  LevelStore.create({ directory, clock: systemClock, log: silentLogger })

async function temporary(): Promise<string> {
  const directory = join(await mkdtemp(join(tmpdir(), 'level-store-')), 'store')
  directories.push(directory)
  return directory
}

afterAll(async () => {
  for (const directory of directories) await rm(join(directory, '..'), { recursive: true })
})

storeContract({ describe, it, expect }, 'level', {
  make: async () => create(await temporary()),
  reopen: () => Promise.resolve(create(directories.at(-1) ?? '')),
})

describe('level store', () => {
  it('refuses a directory that is in use, and leaves its user alone', async () => {
    const directory = await temporary()
    const first = create(directory)
    await first.open(() => {})
    await expect(create(directory).open(() => {})).rejects.toMatchObject({
      code: 'ERR_STORE_LOCKED',
    })
    expect(await first.commit([putEntries(testEntry('a'))])).toEqual([undefined])
    await first.close()
  })

  it('keeps others out: directory 0700, files 0600, whatever the umask and whatever was there', async () => {
    const directory = await temporary()
    await mkdir(directory)
    await chmod(directory, 0o755)
    const store = create(directory)
    await store.open(() => {})
    const mode = async (path: string) => (await stat(path)).mode & 0o777
    expect(await mode(directory)).toBe(0o700)
    for (const name of await readdir(directory))
      expect(await mode(join(directory, name))).toBe(0o600)
    await store.close()
  })

  it('opens beside a table that was half written when its process ended, but with no damage in a table of its own', async () => {
    const directory = await temporary()
    let store = create(directory)
    await store.open(() => {})
    await store.commit([putEntries(testEntry('a'))])
    await store.close()
    // Opening writes what was in the log into a table.
    store = create(directory)
    await store.open(() => {})
    await store.close()
    const [table = ''] = (await readdir(directory)).filter((name) => name.endsWith('.ldb'))
    await copyFile(join(directory, table), join(directory, '000999.ldb'))
    await truncate(join(directory, '000999.ldb'), 100)
    const state = new RecordedState()
    store = create(directory)
    await store.open(state.listener)
    expect(state.names()).toEqual(['entry a'])
    await store.close()
    const own = await readdir(directory)
    expect(own).not.toContain('000999.ldb')
    for (const name of own.filter((name) => name.endsWith('.ldb'))) {
      const bytes = await readFile(join(directory, name))
      bytes.writeUInt8(bytes.readUInt8(10) ^ 1, 10)
      await writeFile(join(directory, name), bytes)
    }
    await expect(create(directory).open(() => {})).rejects.toMatchObject({
      code: 'ERR_STORE_CORRUPT',
    })
  })

  it('commits many transactions at once as fast as one', async () => {
    const store = create(await temporary())
    const state = new RecordedState()
    await store.open(state.listener)
    const results = await Promise.all(
      Array.from({ length: 3000 }, (_, at) => store.commit([putEntries(testEntry(`${at}`))])),
    )
    expect(results.flat().every((error) => error === undefined)).toBe(true)
    expect(state.names()).toHaveLength(3000)
    await store.close()
  })
})
