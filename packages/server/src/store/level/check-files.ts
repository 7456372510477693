import { readdirSync, readFileSync } from 'node:fs'
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
  for (const name of readdirSync(directory)) {
    const firstDamage = checkOf(name)
    if (!firstDamage) continue
    const offset = firstDamage(table, readFileSync(join(directory, name)))
    if (offset === undefined) continue
    throw new StoreError(
      'ERR_STORE_CORRUPT',
      `the store is damaged: ${join(directory, name)} has a wrong checksum at offset ${offset}`,
    )
  }
}

function checkOf(name: string): typeof firstDamageOfLog | undefined {
  if (/^\d+\.log$/.test(name) || name.startsWith('MANIFEST-')) return firstDamageOfLog
  if (/^\d+\.(ldb|sst)$/.test(name)) return firstDamageOfTable
  return undefined
}
