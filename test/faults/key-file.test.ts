import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DiskKeyManager } from '@mini-spire/runtime/key-manager/disk/disk-key-manager'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { root } from '../kit/repository.ts'

/** A process that makes keys as fast as it can and says so when each is kept. */
const keyMaker = `
import { DiskKeyManager } from './packages/runtime/src/key-manager/disk/disk-key-manager.ts'
const [path, prefix] = process.argv.slice(2)
const keys = await DiskKeyManager.openFile(path)
for (let index = 0; index < 400; index++) {
  try {
    await keys.generateKey(prefix + (index % 7), 'ec-p256')
    const key = await keys.getKey(prefix + (index % 7))
    process.stdout.write('kept ' + key.id + ' ' + Buffer.from(key.publicKey).toString('hex') + '\\n')
  } catch (error) {
    process.stdout.write('failed ' + error.code + ' ' + error.cause?.code + '\\n')
    process.exit(3)
  }
}
`
const rounds = 20

let folder: string
let program: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mini-spire-key-file-'))
  program = join(folder, 'key-maker.mjs')
  await build({
    stdin: { contents: keyMaker, resolveDir: root, loader: 'ts' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    conditions: ['source'],
    outfile: program,
    logLevel: 'error',
  })
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe('a process that is killed while it writes its keys', () => {
  it('leaves a file with every key that it acknowledged', async () => {
    const path = join(folder, 'killed.json')
    let expected = new Map<string, string>()
    for (let round = 0; round < rounds; round++) {
      const killAfter = randomInt(1, 60)
      const child = spawn(process.execPath, [program, path, 'key-'])
      let output = ''
      child.stdout.on('data', (data) => {
        output += data
        if (output.split('\n').length > killAfter) child.kill('SIGKILL')
      })
      await once(child, 'close')
      const keys = await DiskKeyManager.openFile(path)
      const acknowledged = output.split('\n').filter((line) => line.startsWith('kept '))
      expect(acknowledged.length).toBeGreaterThan(0)
      const last = acknowledged.at(-1)?.split(' ') ?? []
      for (const line of acknowledged) {
        const [, id = '', publicKey = ''] = line.split(' ')
        expected.set(id, publicKey)
      }
      const found = new Map(
        (await keys.listKeys()).map((key) => [key.id, Buffer.from(key.publicKey).toString('hex')]),
      )
      // One more may have been written than was said: its ID is the one after the last.
      const next = `key-${(Number(last[1]?.split('-')[1]) + 1) % 7}`
      for (const [id, publicKey] of expected) {
        if (id !== next) expect(found.get(id)).toBe(publicKey)
        else expect(found.has(id)).toBe(true)
      }
      expected = found
    }
  })
})

describe('a disk that has no more room', () => {
  it('refuses the key and leaves the old file as it was', async () => {
    const path = join(folder, 'full.json')
    const child = spawn('sh', [
      '-c',
      'ulimit -f 1; exec "$0" "$@"',
      process.execPath,
      program,
      path,
      'k',
    ])
    let output = ''
    child.stdout.on('data', (data) => {
      output += data
    })
    const [code] = await once(child, 'close')
    expect(code).toBe(3)
    expect(output).toMatch(/failed ERR_KEY_FILE_UNUSABLE EFBIG\n$/)
    const kept = output.split('\n').filter((line) => line.startsWith('kept '))
    expect(kept.length).toBeGreaterThan(0)
    const keys = await DiskKeyManager.openFile(path)
    expect((await keys.listKeys()).map((key) => key.id)).toEqual(
      kept.map((line) => line.split(' ')[1]),
    )
    await keys.generateKey('when there is room again', 'ec-p256')
    const again = await DiskKeyManager.openFile(path)
    expect(await again.listKeys()).toHaveLength(kept.length + 1)
  })
})
