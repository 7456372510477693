import { staticTable } from './static-table.ts'

/** A name and a value, whose characters are bytes. */
export type HeaderLine = readonly [name: string, value: string]

/**
 * Tells the peer's decoder that its table for our blocks stays empty, whatever its size may be (RFC 7541, 4.2): belongs before
 * the first block of a connection, and before the next one when the peer has changed the size.
 */
export const emptyTable: Buffer = Buffer.from([0x20])

/**
 * Encodes a header list without the table that both sides would have to keep: answers have few fields, and a block that
 * refers to nothing can be made once for all connections.
 */
export function encodeHeaders(lines: readonly HeaderLine[]): Buffer {
  return Buffer.concat(lines.map(encodeLine))
}

function encodeLine([name, value]: HeaderLine): Buffer {
  const whole = staticTable.findIndex((field) => field.name === name && field.value === value)
  if (whole !== -1 && value !== '') return integer(0x80, 7, whole + 1)
  const named = staticTable.findIndex((field) => field.name === name)
  const head = integer(0, 4, named + 1)
  return Buffer.concat(named === -1 ? [head, text(name), text(value)] : [head, text(value)])
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1')
  return Buffer.concat([integer(0, 7, bytes.length), bytes])
}

/** RFC 7541, 5.1. */
function integer(pattern: number, prefixBits: number, value: number): Buffer {
  const most = 2 ** prefixBits - 1
  if (value < most) return Buffer.of(pattern | value)
  const bytes = [pattern | most]
  let rest = value - most
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80)
  return Buffer.from([...bytes, rest])
}
