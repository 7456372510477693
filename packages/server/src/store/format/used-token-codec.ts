import type { UsedToken } from '../../model/used-token.ts'
import type { BinaryReader } from './binary-reader.ts'
import type { BinaryWriter } from './binary-writer.ts'

/** Writes an exchanged token: its hash and expiry. */
export function writeUsedToken(writer: BinaryWriter, token: UsedToken): void {
  writer.string(token.tokenHash)
  writer.signed(token.expiresAtSeconds)
}

/** Reads what {@link writeUsedToken} wrote. */
export function readUsedToken(reader: BinaryReader): UsedToken {
  return { tokenHash: reader.string(), expiresAtSeconds: reader.signed() }
}
