import { ImportError } from './import-error.ts'

/** A row as the database's library returns it, by column name. */
export type Row = Readonly<Record<string, unknown>>

/** A SPIRE server's database, opened to be read only. */
export interface SpireDatabase {
  /** What it is, for people: kind and place, never a password. */
  readonly description: string
  /** The rows of a query that both databases understand, in its order. */
  rows(sql: string): AsyncIterable<Row>
  close(): Promise<void>
}

/** A column as text; null counts as empty. */
export function textOf(row: Row, column: string): string {
  const value = row[column]
  if (value === null || value === undefined) return ''
  if (typeof value === 'string') return value
  throw malformed(column, 'text')
}

/** A column as a whole number; null counts as 0. Beyond 2^53 it is the nearest that can be held. */
export function integerOf(row: Row, column: string): number {
  const value = row[column]
  if (value === null || value === undefined) return 0
  // PostgreSQL's library returns 64-bit integers as text.
  if (typeof value === 'string' && /^-?\d+$/.test(value)) return Number(value)
  if (typeof value === 'bigint' || Number.isInteger(value)) return Number(value)
  throw malformed(column, 'a whole number')
}

/** A column as yes or no; null counts as no. */
export function flagOf(row: Row, column: string): boolean {
  const value = row[column]
  return typeof value === 'boolean' ? value : integerOf(row, column) !== 0
}

/** A column as bytes; null counts as none. */
export function bytesOf(row: Row, column: string): Uint8Array {
  const value = row[column]
  if (value === null || value === undefined) return new Uint8Array()
  if (value instanceof Uint8Array) return new Uint8Array(value)
  throw malformed(column, 'bytes')
}

/** A column as an instant in Unix seconds, rounded as SPIRE rounds; null counts as 0. */
export function secondsOf(row: Row, column: string): number {
  const value = row[column]
  if (value === null || value === undefined) return 0
  const ms = value instanceof Date ? value.getTime() : timestampMs(String(value))
  if (Number.isNaN(ms)) throw malformed(column, 'an instant')
  return Math.round(ms / 1000)
}

/** `2026-11-24 20:00:04.379801716+00:00`, as SQLite keeps it, in milliseconds; NaN when it is something else. */
function timestampMs(text: string): number {
  const parts = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)$/.exec(text)
  if (!parts) return Number.NaN
  const [, day, time, fraction = '', zone] = parts
  return Date.parse(`${day}T${time}${zone}`) + Number(`0${fraction}`) * 1000
}

function malformed(column: string, what: string): ImportError {
  return new ImportError('ERR_IMPORT_RECORD_MALFORMED', `column ${column} is not ${what}`)
}
