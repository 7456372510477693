import { messageOf } from '@mini-spire/sdk/errors'
import { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import type { RecordKind, Records } from '../store/store.ts'
import { ImportError } from './import-error.ts'
import { type Row, textOf } from './spire-database.ts'

/** A record of the source in the form in which it is stored here; or why it cannot be. */
export type SourceRecord<Kind extends RecordKind = RecordKind> = {
  readonly [One in Kind]:
    | { readonly kind: One; readonly key: string; readonly value: Records[One] }
    | { readonly kind: One; readonly key: string; readonly problem: string }
}[Kind]

/** Converts a row, or says what is wrong with it: one bad row does not keep the others from being imported. */
export function recordFrom<Kind extends RecordKind>(
  kind: Kind,
  key: string,
  convert: () => Records[Kind],
): SourceRecord<Kind> {
  try {
    return { kind, key, value: convert() } as SourceRecord<Kind>
  } catch (error) {
    return { kind, key, problem: messageOf(error) } as SourceRecord<Kind>
  }
}

/** A column as SPIFFE ID. @throws {ImportError} `ERR_IMPORT_RECORD_MALFORMED` naming the column */
export function idOf(row: Row, column: string): SpiffeId {
  try {
    return SpiffeId.parse(textOf(row, column))
  } catch (cause) {
    const text = `column ${column}: ${messageOf(cause)}`
    throw new ImportError('ERR_IMPORT_RECORD_MALFORMED', text, { cause })
  }
}
