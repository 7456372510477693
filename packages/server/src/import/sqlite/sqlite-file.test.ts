import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createSpireSchema, sqliteBytes, sqliteDialect } from '../import.test-kit.ts'
import { refuseUnimportedDatabase } from '../refuse-spire-database.ts'
import { openSqlite } from './open-sqlite.ts'
import { holdsSpireSchema, sqlitePath } from './sqlite-file.ts'

let folder: string
let path: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sqlite-'))
  path = join(folder, 'datastore.sqlite3')
})
afterEach(() => rmSync(folder, { recursive: true }))

const spire = (): Promise<Uint8Array> =>
  sqliteBytes((execute) => createSpireSchema(execute, sqliteDialect))
const other = (): Promise<Uint8Array> =>
  sqliteBytes((execute) => execute('CREATE TABLE "registered_entries" ("id" integer)'))

describe('the file of a connection_string', () => {
  it.each([
    ['./data/ds.sqlite3', './data/ds.sqlite3'],
    ['/a/ds.sqlite3?cache=shared', '/a/ds.sqlite3'],
    ['file:rel.db', 'rel.db'],
    ['file:/a/b%20c.db?_busy_timeout=1', '/a/b c.db'],
    ['file:///a/b.db', '/a/b.db'],
    ['file:mem?mode=memory&cache=shared', undefined],
    ['file::memory:', undefined],
  ])('%s is %s', (text, expected) => {
    expect(sqlitePath(text)).toBe(expected)
  })

  it('cannot be of another scheme', () => {
    expect(() => sqlitePath('http://x/y')).toThrow(
      expect.objectContaining({
        code: 'ERR_IMPORT_SOURCE_UNSUPPORTED',
        message: 'unsupported scheme "http"',
      }),
    )
  })
})

describe('opening a SQLite database', () => {
  it.each([
    ['-wal', 'changes that are not in the database yet'],
    ['-journal', 'a transaction that was not finished'],
  ])('refuses one with something in its %s', async (suffix, what) => {
    writeFileSync(path, await spire())
    writeFileSync(`${path}${suffix}`, 'x')
    await expect(openSqlite(path)).rejects.toMatchObject({
      code: 'ERR_IMPORT_SOURCE_IN_USE',
      message: expect.stringContaining(what),
    })
    writeFileSync(`${path}${suffix}`, '')
    await (await openSqlite(path)).close()
  })

  it.each([
    ['that is not there', undefined],
    ['that is no database', Buffer.from('something else entirely, and long enough to be one')],
  ])('refuses one %s, naming it', async (_, bytes) => {
    if (bytes) writeFileSync(path, bytes)
    await expect(openSqlite(path)).rejects.toMatchObject({
      code: 'ERR_IMPORT_SOURCE_UNREADABLE',
      message: expect.stringContaining(path),
    })
  })
})

describe('a SPIRE server’s database', () => {
  it('is told by its tables, in the file or in its write-ahead log', async () => {
    expect(await holdsSpireSchema(path)).toBe(false)
    writeFileSync(path, 'CREATE TABLE "registered_entries" in a text')
    expect(await holdsSpireSchema(path)).toBe(false)
    writeFileSync(path, await other())
    expect(await holdsSpireSchema(path)).toBe(false)
    writeFileSync(`${path}-wal`, await spire())
    expect(await holdsSpireSchema(path)).toBe(true)
    rmSync(`${path}-wal`)
    writeFileSync(path, await spire())
    expect(await holdsSpireSchema(path)).toBe(true)
  })

  it('keeps a server with an empty store from starting, which names the command', async () => {
    const config = { type: 'sqlite3', connectionString: path } as const
    await refuseUnimportedDatabase(config, 'server.conf')
    writeFileSync(path, await spire())
    await expect(refuseUnimportedDatabase(config, "it's.conf")).rejects.toMatchObject({
      code: 'ERR_IMPORT_NEEDED',
      message: expect.stringContaining(
        "mini-spire-server import -from-datastore -config 'it'\\''s.conf'",
      ),
    })
    await refuseUnimportedDatabase({ type: 'embedded' }, 'server.conf')
  })
})
