import { crc32 } from 'node:zlib'
import { StoreError } from '../store-error.ts'

const checksumBytes = 4

/** A value with a checksum over it and its key before it: the database itself does not check what it reads back. */
export function seal(key: Uint8Array, value: Uint8Array): Buffer {
  const sealed = Buffer.allocUnsafe(checksumBytes + value.length)
  sealed.set(value, checksumBytes)
  sealed.writeUInt32BE(crc32(value, crc32(key)), 0)
  return sealed
}

/**
 * The value in a sealed one, as a view of it.
 *
 * @param what names the value in the error
 * @throws {StoreError} `ERR_STORE_CORRUPT` when value or key are not what was sealed
 */
export function unseal(key: Uint8Array, sealed: Buffer, what: () => string): Buffer {
  const value = sealed.subarray(checksumBytes)
  const isIntact =
    sealed.length >= checksumBytes && sealed.readUInt32BE(0) === crc32(value, crc32(key))
  if (isIntact) return value
  throw new StoreError('ERR_STORE_CORRUPT', `the store is damaged: ${what()} has a wrong checksum`)
}
