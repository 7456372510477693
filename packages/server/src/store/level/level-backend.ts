import { randomUUID } from 'node:crypto'
import { chmod, mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { SpiffeError } from '@mini-spire/sdk/errors'
import { Level } from 'level'
import type { Backend, BackendWrite, LogSegment, StoredIssuance } from '../engine/backend.ts'
import type { Head } from '../engine/head.ts'
import { StoreError } from '../store-error.ts'
import { AcknowledgedFile } from './acknowledged-file.ts'
import { checkFiles } from './check-files.ts'
import { seal, unseal } from './checksum.ts'
import {
  endOf,
  issuanceKey,
  metaKey,
  parseIssuanceKey,
  parseSegmentKey,
  prefix,
  recordKey,
  segmentKey,
} from './level-keys.ts'

/** Version of the layout as a whole. Another one is refused. */
export const layoutVersion = 1

type Database = Level<Buffer, Buffer>

interface Range {
  readonly gte: Buffer
  readonly lt: Buffer
  readonly reverse?: boolean
  readonly limit?: number
}

const encodings = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const
const chunkItems = 1000

/** The database's own limit is 16 KiB: a thousand records then come in ten turns of the event loop instead of one. */
const chunkBytes = 256 * 1024
const pruneItems = 5000

const reading = { ...encodings, fillCache: false, highWaterMarkBytes: chunkBytes } as const

interface ChunkIterator<Item> {
  nextv(size: number): Promise<Item[]>
  close(): Promise<void>
}
const maxOpenFiles = 256

/** Keeps a store's bytes in a LevelDB directory of its own. */
export class LevelBackend implements Backend {
  readonly #directory: string
  readonly #acknowledgedFile: AcknowledgedFile
  #acknowledged: Head | undefined
  #database: Database | undefined
  #issuanceSequence = 0

  constructor(directory: string) {
    this.#directory = directory
    this.#acknowledgedFile = new AcknowledgedFile(join(directory, 'ACKNOWLEDGED'))
  }

  async open(): Promise<string> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 })
    await chmod(this.#directory, 0o700)
    checkFiles(this.#directory)
    try {
      this.#database = new Level(this.#directory, { ...encodings, maxOpenFiles })
      await this.#database.open()
      this.#acknowledged = this.#acknowledgedFile.open()
      const epoch = await this.#readEpoch(this.#database)
      for (const name of await readdir(this.#directory)) {
        await chmod(join(this.#directory, name), 0o600).catch(ignoreMissing)
      }
      return epoch
    } catch (cause) {
      throw asStoreError(cause, this.#directory)
    }
  }

  async *segments(fromRevision: number): AsyncGenerator<readonly LogSegment[], void> {
    const gte = await this.#segmentWith(fromRevision)
    for await (const items of this.#read({ gte, lt: endOf(prefix.change) })) {
      yield items.map(([key, value]) => {
        const firstRevision = parseSegmentKey(key) ?? damagedKey(key)
        const what = (): string => `the log from change ${firstRevision} on`
        return { firstRevision, bytes: unseal(key, value, what) }
      })
    }
  }

  /** Without their keys, which say nothing that order and contents do not: handing each over costs as much as its value. */
  records(): AsyncGenerator<readonly Buffer[], void> {
    const range = { gte: Buffer.of(prefix.record), lt: endOf(prefix.record) }
    return this.#chunks(this.#opened().values({ ...range, ...reading }))
  }

  async *issuance(fromMs: number, toMs: number): AsyncGenerator<readonly StoredIssuance[], void> {
    const range = { gte: issuanceKey(clamp(fromMs), 0), lt: issuanceKey(clamp(toMs), 0) }
    for await (const items of this.#read(range)) {
      yield items.map(([key, value]) => {
        const timeMs = parseIssuanceKey(key)
        const what = (): string => `an issuance record of ${new Date(timeMs).toISOString()}`
        return { timeMs, bytes: unseal(key, value, what) }
      })
    }
  }

  async write(write: BackendWrite): Promise<void> {
    const operations: (
      | { readonly type: 'put'; readonly key: Buffer; readonly value: Buffer }
      | { readonly type: 'del'; readonly key: Buffer }
    )[] = []
    const put = (key: Buffer, value: Buffer): void => {
      operations.push({ type: 'put', key, value })
    }
    for (const { kind, createdRevision } of write.deletes) {
      operations.push({ type: 'del', key: recordKey(kind, createdRevision) })
    }
    for (const { kind, createdRevision, bytes } of write.puts) {
      put(
        recordKey(kind, createdRevision),
        Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length),
      )
    }
    if (write.segment) {
      const key = segmentKey(write.segment.firstRevision)
      put(key, seal(key, write.segment.bytes))
    }
    for (const { timeMs, bytes } of write.issuance) {
      const key = issuanceKey(timeMs, this.#issuanceSequence++)
      put(key, seal(key, bytes))
    }
    await this.#opened().batch(operations, { sync: true, ...encodings })
  }

  acknowledge(head: Head): void {
    this.#acknowledged = head
    this.#acknowledgedFile.write(head)
  }

  acknowledged(): Head | undefined {
    return this.#acknowledged
  }

  async pruneIssuance(beforeMs: number): Promise<boolean> {
    const range = { gte: Buffer.of(prefix.issuance), lt: issuanceKey(clamp(beforeMs), 0) }
    const keys = await this.#opened()
      .keys({ ...range, ...encodings, limit: pruneItems })
      .all()
    const operations = keys.map((key) => ({ type: 'del' as const, key }))
    if (operations.length > 0) await this.#opened().batch(operations, { sync: true, ...encodings })
    return keys.length === pruneItems
  }

  async close(): Promise<void> {
    this.#acknowledgedFile.close()
    await this.#database?.close()
    this.#database = undefined
  }

  #opened(): Database {
    if (this.#database) return this.#database
    throw new StoreError('ERR_STORE_UNAVAILABLE', 'the store is not open')
  }

  /** Key of the segment that has this revision: the last one that begins at or before it. */
  async #segmentWith(revision: number): Promise<Buffer> {
    const lt = segmentKey(Math.max(revision, 0) + 1)
    const range = { gte: Buffer.of(prefix.change), lt, reverse: true, limit: 1 }
    for await (const items of this.#read(range)) {
      const found = items[0]?.[0]
      if (found) return found
    }
    return range.gte
  }

  #read(range: Range): AsyncGenerator<readonly [Buffer, Buffer][], void> {
    return this.#chunks(this.#opened().iterator({ ...range, ...reading }))
  }

  async *#chunks<Item>(iterator: ChunkIterator<Item>): AsyncGenerator<readonly Item[], void> {
    // The next chunk is read by another thread while this one is worked on.
    let next = iterator.nextv(chunkItems)
    try {
      for (;;) {
        const items = await next
        if (items.length === 0) return
        next = iterator.nextv(chunkItems)
        yield items
      }
    } catch (cause) {
      throw asStoreError(cause, this.#directory)
    } finally {
      await next.catch(() => {})
      await iterator.close()
    }
  }

  async #readEpoch(database: Database): Promise<string> {
    const sealed = database.getSync(metaKey, encodings)
    if (sealed === undefined) return this.#writeEpoch(database)
    const meta = unseal(metaKey, sealed, () => 'the record that says what the store is')
    if (meta[0] === layoutVersion) return meta.toString('latin1', 1)
    throw new StoreError(
      'ERR_STORE_VERSION',
      `a store of layout ${meta[0]} is from a newer version`,
    )
  }

  async #writeEpoch(database: Database): Promise<string> {
    for await (const _ of database.keys({ limit: 1, ...encodings })) {
      throw new StoreError('ERR_STORE_CORRUPT', 'the store is damaged: it does not say what it is')
    }
    if ((this.#acknowledged?.revision ?? 0) > 0) {
      throw new StoreError('ERR_STORE_CORRUPT', 'the store is damaged: everything in it is missing')
    }
    const epoch = randomUUID()
    const meta = Buffer.concat([Buffer.of(layoutVersion), Buffer.from(epoch)])
    await database.put(metaKey, seal(metaKey, meta), { sync: true, ...encodings })
    return epoch
  }
}

function asStoreError(error: unknown, directory: string): unknown {
  if (error instanceof SpiffeError) return error
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const text = cause instanceof Error ? cause.message : String(cause)
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
  if (code === 'LEVEL_LOCKED') {
    const message = `store directory "${directory}" is in use by another process`
    return new StoreError('ERR_STORE_LOCKED', message, { cause: error })
  }
  if (code === 'LEVEL_CORRUPTION') {
    return new StoreError('ERR_STORE_CORRUPT', `the store is damaged: ${text}`, { cause: error })
  }
  const message = `store directory "${directory}": ${text}`
  return new StoreError('ERR_STORE_UNAVAILABLE', message, { cause: error })
}

function damagedKey(key: Buffer): never {
  const text = `the store is damaged: it has an unknown key ${key.toString('hex')}`
  throw new StoreError('ERR_STORE_CORRUPT', text)
}

/** Instants as far as keys can say them. */
function clamp(timeMs: number): number {
  return Math.min(Math.max(Math.floor(timeMs), 0), 2 ** 48 - 1)
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error
}
