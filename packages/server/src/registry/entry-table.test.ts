import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import type { RegistrationEntry } from '../model/registration-entry.ts'
import { BinaryWriter } from '../store/format/binary-writer.ts'
import { EntryLayout } from '../store/format/entry-layout.ts'
import { writeRecord } from '../store/format/record-codec.ts'
import { testEntry } from '../store/store.test-kit.ts'
import type { EntryRow } from './entry-records.ts'
import { EntryTable } from './entry-table.ts'

const keptObjects = 10

function encoded(value: RegistrationEntry): EntryLayout {
  const writer = new BinaryWriter()
  writeRecord(writer, 'entry', value)
  const bytes = writer.take()
  return new EntryLayout().read(bytes, 0, bytes.length)
}

function filled(count: number): { readonly table: EntryTable; readonly rows: EntryRow[] } {
  const table = new EntryTable(keptObjects)
  const rows = Array.from({ length: count }, (_, at) => {
    const row = table.insert(encoded(testEntry(`entry-${at}`, { hint: `hint ${at}` })), at + 1)
    if (row === undefined) throw new Error('there is one with its ID')
    return row
  })
  return { table, rows }
}

const objects = (rows: readonly EntryRow[]): number =>
  rows.filter((row) => row.object !== undefined).length

describe('the table of entries', () => {
  it('keeps no entry as an object before it is asked for twice, then the same one each time', () => {
    const { table, rows } = filled(100)
    expect(rows.map((row) => row.value.hint)).toContain('hint 7')
    expect(objects(rows)).toBe(0)
    const row = table.row('entry-7')
    expect(row?.value).toEqual(testEntry('entry-7', { hint: 'hint 7' }))
    expect(row?.value).toBe(row?.value)
    expect(objects(rows)).toBe(1)
  })

  it('keeps no more objects than it says, and reads the others again', () => {
    const { rows } = filled(100)
    for (let round = 0; round < 3; round++) {
      for (const [at, row] of rows.entries()) expect(row.value.hint).toBe(`hint ${at}`)
      expect(objects(rows)).toBeLessThanOrEqual(2 * keptObjects)
    }
  })

  it('keeps the record of a removed row for whoever still has the row', () => {
    const { table, rows } = filled(100)
    const [first] = rows
    if (!first) throw new Error('no row')
    table.delete(first)
    for (const row of rows.slice(1)) expect(row.value.id).not.toBe('')
    expect(first.value).toEqual(testEntry('entry-0', { hint: 'hint 0' }))
    expect(table.row('entry-0')).toBeUndefined()
    expect(table.size).toBe(99)
  })

  it('lets go of removed rows, also of those that were read again and again', async () => {
    setFlagsFromString('--expose-gc')
    const table = new EntryTable(5_000)
    const rows: WeakRef<EntryRow>[] = []
    for (let at = 0; at < 4_000; at++) {
      const row = table.insert(encoded(testEntry(`entry-${at}`)), at + 1)
      if (!row) throw new Error('there is one with its ID')
      for (let reads = 0; reads < 3; reads++) expect(row.value.id).toBe(`entry-${at}`)
      rows.push(new WeakRef(row))
      table.delete(row)
    }
    await new Promise((resolve) => setImmediate(resolve))
    runInNewContext('gc')()
    expect(rows.filter((row) => row.deref()).length).toBeLessThan(200)
    expect(table.size).toBe(0)
  })

  it('has every record after thousands were replaced and removed', () => {
    const { table, rows } = filled(5000)
    const hint = 'x'.repeat(300)
    for (const [at, row] of rows.entries()) {
      if (at % 3 === 0) table.update(row, encoded(testEntry(`entry-${at}`, { hint })))
      if (at % 3 === 1) table.delete(row)
    }
    for (let at = 0; at < rows.length; at++) {
      const wanted = [hint, undefined, `hint ${at}`][at % 3]
      expect(table.row(`entry-${at}`)?.value.hint).toBe(wanted)
    }
  })

  it('adds nothing under an ID that is taken', () => {
    const { table } = filled(3)
    expect(table.insert(encoded(testEntry('entry-1', { hint: 'another' })), 4)).toBeUndefined()
    expect(table.size).toBe(3)
    expect(table.row('entry-1')?.value.hint).toBe('hint 1')
  })
})
