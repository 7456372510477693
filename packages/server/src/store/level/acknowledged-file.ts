import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import type { Head } from '../engine/head.ts'
import { hashBytes, hashLength } from '../format/hash.ts'
import { StoreError } from '../store-error.ts'
import { seal, unseal } from './checksum.ts'

const revisionBytes = 6
const fileBytes = 4 + revisionBytes + hashLength
const seed = Buffer.from('mini-spire acknowledged 1')

/**
 * Remembers the newest acknowledged change in a file of 42 bytes beside the database.
 *
 * The database drops a damaged end of its own log without a word; then this file knows better. It is written in place after
 * every commit and not synced: a kill leaves it exact, after a power cut it may be older, which is still true.
 */
export class AcknowledgedFile {
  readonly #path: string
  #descriptor: number | undefined

  constructor(path: string) {
    this.#path = path
  }

  /**
   * Opens the file and returns what it says; undefined when it is new.
   *
   * @throws {StoreError} `ERR_STORE_CORRUPT` when it is damaged
   */
  open(): Head | undefined {
    this.close()
    this.#descriptor = openSync(this.#path, 'a', 0o600)
    closeSync(this.#descriptor)
    this.#descriptor = openSync(this.#path, 'r+')
    const bytes = Buffer.alloc(fileBytes + 1)
    const length = readSync(this.#descriptor, bytes, 0, bytes.length, 0)
    if (length === 0) return undefined
    if (length !== fileBytes) {
      throw new StoreError('ERR_STORE_CORRUPT', `the store is damaged: ${this.#path} is cut off`)
    }
    const value = unseal(seed, bytes.subarray(0, length), () => this.#path)
    const revision = value.readUIntBE(0, revisionBytes)
    return { revision, hash: value.toString('latin1', revisionBytes) }
  }

  write(head: Head): void {
    if (this.#descriptor === undefined) return
    const value = Buffer.alloc(revisionBytes + hashLength)
    value.writeUIntBE(head.revision, 0, revisionBytes)
    value.set(hashBytes(head.hash), revisionBytes)
    writeSync(this.#descriptor, seal(seed, value), 0, fileBytes, 0)
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor)
    this.#descriptor = undefined
  }
}
