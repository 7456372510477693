import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { writeOutputFile } from './write-files.ts'

let folder: string
let umask: number
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'write-files-'))
  umask = process.umask()
})
afterEach(() => {
  process.umask(umask)
  rmSync(folder, { recursive: true, force: true })
})

describe('what a command writes', () => {
  it.each([0o000, 0o077])(
    'is for its owner only when it is a key or a token, with umask %o [gate 15]',
    async (mask) => {
      process.umask(mask)
      for (const isPrivate of [true, false]) {
        const path = join(folder, String(isPrivate))
        await writeOutputFile({ path, content: 'old', isPrivate: false })
        await writeOutputFile({ path, content: 'content', isPrivate })
        expect(readFileSync(path, 'utf8')).toBe('content')
        expect(statSync(path).mode & 0o777).toBe(isPrivate ? 0o600 : 0o644)
      }
    },
  )

  it('leaves nothing of itself behind when it cannot be written', async () => {
    const path = join(folder, 'taken')
    mkdirSync(path)
    const writing = writeOutputFile({ path, content: 'key', isPrivate: true }, 'key')
    await expect(writing).rejects.toThrow('unable to write key: ')
    expect(readdirSync(folder)).toEqual(['taken'])
  })
})
