import { closeSync, fstatSync, openSync, readdirSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { StoreError } from '../store-error.ts'
import { crc32cTable } from './crc32c.ts'
import { firstDamageOfLog } from './log-file.ts'
import { firstDamageOfTable } from './table-file.ts'

/**
 * Checks the database's files before the database reads them: it skips damaged records of its logs without a word, and a damaged
 * table can end the process.
 *
 * A log that ends in the middle of a record is passed over; whether something acknowledged was in it is found out later, by
 * what was remembered outside. Costs a millisecond a megabyte.
 *
 * @throws {StoreError} `ERR_STORE_CORRUPT` naming file and offset
 */
export function checkFiles(directory: string): void {
  const table = crc32cTable()
  const reader = new FileReader()
  for (const name of readdirSync(directory)) {
    const firstDamage = checkOf(name)
    if (!firstDamage) continue
    const offset = firstDamage(table, reader.read(join(directory, name)))
    if (offset === undefined) continue
    throw new StoreError(
      'ERR_STORE_CORRUPT',
      `the store is damaged: ${join(directory, name)} has a wrong checksum at offset ${offset}`,
    )
  }
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

function checkOf(name: string): typeof firstDamageOfLog | undefined {
  if (/^\d+\.log$/.test(name) || name.startsWith('MANIFEST-')) return firstDamageOfLog
  if (/^\d+\.(ldb|sst)$/.test(name)) return firstDamageOfTable
  return undefined
}
