import { open, readFile, stat } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { quoteGo } from '@mini-spire/runtime/go-quote'
import { ImportError } from '../import-error.ts'

/** The first bytes of every SQLite database. */
const magic = 'SQLite format 3\0'

/** What stands in the schema of a SPIRE server's database and nowhere else. */
const spireTables: readonly string[] = [
  'registered_entries',
  'attested_node_entries',
  'ca_journals',
]

const chunkBytes = 1024 * 1024

/**
 * The file that a `connection_string` of `sqlite3` names: a path, or a `file:` URI with or without host and query. Undefined
 * for a database in memory.
 *
 * @throws {ImportError} `ERR_IMPORT_SOURCE_UNSUPPORTED` for another scheme
 */
export function sqlitePath(connectionString: string): string | undefined {
  const [, scheme = ''] = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(connectionString) ?? []
  if (scheme === '') return connectionString.replace(/\?.*$/, '')
  if (scheme.toLowerCase() !== 'file') {
    const text = `unsupported scheme ${quoteGo(scheme)}`
    throw new ImportError('ERR_IMPORT_SOURCE_UNSUPPORTED', text)
  }
  const [path = '', query = ''] = connectionString.slice('file:'.length).split('?', 2)
  if (new URLSearchParams(query).get('mode') === 'memory' || path === ':memory:') return undefined
  return path.startsWith('//') ? fileURLToPath(`file:${path}`) : decodeURIComponent(path)
}

/**
 * Refuses a database file that a process has open, or that one left without writing everything into it: what stands in the
 * write-ahead log only would be missed.
 *
 * @throws {ImportError} `ERR_IMPORT_SOURCE_IN_USE`
 */
export async function refuseIfInUse(path: string): Promise<void> {
  for (const [suffix, what] of [
    ['-wal', 'holds changes that are not in the database yet'],
    ['-journal', 'holds a transaction that was not finished'],
  ] as const) {
    if (((await sizeOf(`${path}${suffix}`)) ?? 0) === 0) continue
    const advice = 'stop SPIRE; if it was killed, start it and stop it once more, then import again'
    throw inUse(`${path}${suffix} ${what}: ${advice}`)
  }
  if (await isLocked(path)) throw inUse(`${path} is open in another process: stop SPIRE first`)
}

/** Where SQLite puts its locks, beyond the end of any file. */
const firstLockByte = 0x40000000

/** Whether the kernel knows a lock of SQLite's kind on the file. Machines without a list of locks say no. */
async function isLocked(path: string): Promise<boolean> {
  try {
    const { ino } = await stat(path)
    const locks = await readFile('/proc/locks', 'utf8')
    return locks.split('\n').some((line) => {
      const [, inode, start] = /:(\d+) (\d+) (?:\d+|EOF)$/.exec(line) ?? []
      return Number(inode) === ino && Number(start) >= firstLockByte
    })
  } catch (error) {
    if (error instanceof Error && 'code' in error) return false
    throw error
  }
}

/**
 * Whether a file is the SQLite database of a SPIRE server, by the tables that its bytes name; what has not left the
 * write-ahead log yet counts too. A file that is not there is none.
 */
export async function holdsSpireSchema(path: string): Promise<boolean> {
  const missing = new Set(spireTables.map((table) => `CREATE TABLE "${table}"`))
  for (const file of [path, `${path}-wal`]) {
    const isDatabase = await scan(file, missing, file === path)
    if (!isDatabase) return false
    if (missing.size === 0) return true
  }
  return false
}

/** Strikes out the texts that the file has; returns false when it has to be a database and is not. */
async function scan(file: string, missing: Set<string>, isDatabase: boolean): Promise<boolean> {
  if ((await sizeOf(file)) === undefined) return !isDatabase
  const handle = await open(file, 'r')
  try {
    const longest = Math.max(...[...missing].map((text) => text.length))
    let tail = ''
    for (let position = 0; missing.size > 0; ) {
      const { bytesRead, buffer } = await handle.read(
        Buffer.alloc(chunkBytes),
        0,
        chunkBytes,
        position,
      )
      if (bytesRead === 0) break
      const text = tail + buffer.toString('latin1', 0, bytesRead)
      if (isDatabase && position === 0 && !text.startsWith(magic)) return false
      for (const wanted of missing) if (text.includes(wanted)) missing.delete(wanted)
      tail = text.slice(-longest)
      position += bytesRead
    }
    return true
  } finally {
    await handle.close()
  }
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    const found = await stat(path)
    return found.isFile() ? found.size : undefined
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

function inUse(message: string): ImportError {
  return new ImportError('ERR_IMPORT_SOURCE_IN_USE', message)
}
