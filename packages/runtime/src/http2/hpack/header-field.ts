/** What a field is to a request; judged once, when it is read, however often a table repeats it. */
export type FieldRole =
  | 'regular'
  | ':method'
  | ':scheme'
  | ':path'
  | ':authority'
  | 'content-length'
  /** No request may have it (RFC 9113, 8.2.1, 8.2.2, 8.3.1). */
  | 'malformed'

/** One line of a header list. */
export interface HeaderField {
  readonly name: string
  readonly value: string
  /** What it counts in tables and lists: its bytes and 32 (RFC 7541, 4.1; RFC 9113, 6.5.2). */
  readonly size: number
  readonly role: FieldRole
}

const fieldOverhead = 32

/** A token of lower case (RFC 9110, 5.6.2; RFC 9113, 8.2.1). */
const namePattern = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/
/** What a value has nowhere, and at its ends (RFC 9113, 8.2.1). */
const badValuePattern = /[\0\r\n]|^[ \t]|[ \t]$/
/** Fields that speak of one connection of HTTP/1 (RFC 9113, 8.2.2). */
const connectionFields: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
])

/** Makes a field of texts whose characters are bytes. */
export function headerField(name: string, value: string): HeaderField {
  const size = name.length + value.length + fieldOverhead
  return { name, value, size, role: roleOf(name, value) }
}

function roleOf(name: string, value: string): FieldRole {
  if (badValuePattern.test(value)) return 'malformed'
  switch (name) {
    case ':method':
    case ':scheme':
    case ':path':
    case ':authority':
    case 'content-length':
      return name
    case 'te':
      return value === 'trailers' ? 'regular' : 'malformed'
    default:
      return connectionFields.has(name) || !namePattern.test(name) ? 'malformed' : 'regular'
  }
}
