import { closeSync, fstatSync, openSync, readdirSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { StoreError } from '../store-error.ts'
import { crc32cTable } from './crc32c.ts'
import { firstDamageOfLog } from './log-file.ts'
import { listedTables } from './manifest.ts'
import { firstDamageOfTable } from './table-file.ts'

/**
 * Checks the database's files before the database reads them: it skips damaged records of its logs without a word, and a damaged
 * table can end the process.
 *
 * A log that ends in the middle of a record is passed over; whether something acknowledged was in it is found out later, by
 * what was remembered outside. So is a table that the database does not list: a process that ends, well or badly, while tables are
 * merged leaves one that is half written. Costs a millisecond a megabyte.
 *
 * @throws {StoreError} `ERR_STORE_CORRUPT` naming file and offset
 */
export function checkFiles(directory: string): void {
  const table = crc32cTable()
  const reader = new FileReader()
  const check = (name: string, firstDamage: typeof firstDamageOfLog): void => {
    const offset = firstDamage(table, reader.read(join(directory, name)))
    if (offset === undefined) return
    throw new StoreError(
      'ERR_STORE_CORRUPT',
      `the store is damaged: ${join(directory, name)} has a wrong checksum at offset ${offset}`,
    )
  }
  const names = readdirSync(directory)
  for (const name of names) if (isLog(name)) check(name, firstDamageOfLog)
  const listed = tablesOf(directory, names, reader)
  for (const name of names) {
    const number = tableName.exec(name)?.[1]
    if (number === undefined || listed?.has(Number(number)) === false) continue
    check(name, firstDamageOfTable)
  }
}

const tableName = /^(\d+)\.(?:ldb|sst)$/

function isLog(name: string): boolean {
  return /^\d+\.log$/.test(name) || name.startsWith('MANIFEST-')
}

/** The tables that count; undefined: all. */
function tablesOf(
  directory: string,
  names: readonly string[],
  reader: FileReader,
): ReadonlySet<number> | undefined {
  if (!names.includes('CURRENT')) return undefined
  const manifest = reader.read(join(directory, 'CURRENT')).toString('latin1').trimEnd()
  return names.includes(manifest) ? listedTables(reader.read(join(directory, manifest))) : undefined
}

/** Reads files into memory that is used again for the next one: fresh memory costs as much as the checksums. */
class FileReader {
  #memory = Buffer.alloc(0)

  /** The file; good until the next one is read. */
  read(path: string): Buffer {
    const file = openSync(path, 'r')
    try {
      const { size } = fstatSync(file)
      if (size > this.#memory.length) this.#memory = Buffer.allocUnsafeSlow(size)
      let filled = 0
      while (filled < size) {
        const count = readSync(file, this.#memory, filled, size - filled, filled)
        if (count === 0) break
        filled += count
      }
      return this.#memory.subarray(0, filled)
    } finally {
      closeSync(file)
    }
  }
}
