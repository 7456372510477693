import { logRecords } from './log-file.ts'
import { readVarint } from './snappy.ts'

/** What an edit of the list of files begins its parts with. */
const part = {
  comparator: 1,
  logNumber: 2,
  nextFileNumber: 3,
  lastSequence: 4,
  compactPointer: 5,
  deletedFile: 6,
  newFile: 7,
  prevLogNumber: 9,
} as const

interface Input {
  readonly bytes: Uint8Array
  offset: number
}

/**
 * Numbers of the tables that the database has, as its manifest lists them: edits, each of which adds some and takes some away. A table that is not
 * among them is one that was being written when the process ended; the database deletes it.
 *
 * @returns undefined when there is something in the manifest that is not known here
 */
export function listedTables(manifest: Buffer): ReadonlySet<number> | undefined {
  const tables = new Set<number>()
  for (const record of logRecords(manifest)) {
    const input = { bytes: record, offset: 0 }
    while (input.offset < record.length) if (!applyPart(tables, input)) return undefined
  }
  return tables
}

/** False: it is not known, or cut. */
function applyPart(tables: Set<number>, input: Input): boolean {
  switch (readVarint(input)) {
    case part.comparator:
      return skipText(input)
    case part.logNumber:
    case part.nextFileNumber:
    case part.lastSequence:
    case part.prevLogNumber:
      return readVarint(input) !== undefined
    case part.compactPointer:
      return readVarint(input) !== undefined && skipText(input)
    case part.deletedFile: {
      const [level, number] = [readVarint(input), readVarint(input)]
      if (level === undefined || number === undefined) return false
      tables.delete(number)
      return true
    }
    case part.newFile: {
      const [level, number, size] = [readVarint(input), readVarint(input), readVarint(input)]
      if (level === undefined || number === undefined || size === undefined) return false
      tables.add(number)
      // Its first and its last key.
      return skipText(input) && skipText(input)
    }
    default:
      return false
  }
}

function skipText(input: Input): boolean {
  const length = readVarint(input)
  if (length === undefined) return false
  input.offset += length
  return input.offset <= input.bytes.length
}
