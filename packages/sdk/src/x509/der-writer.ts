/** Identifier octets of the DER types that certificates are made of. */
export const derTag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const

/** One element: identifier, shortest length, and its content in one buffer. */
export function derElement(tag: number, ...content: readonly Uint8Array[]): Buffer {
  let length = 0
  for (const part of content) length += part.length
  const header = headerLength(length)
  const out = Buffer.allocUnsafe(header + length)
  let at = writeHeader(out, 0, tag, length)
  for (const part of content) {
    out.set(part, at)
    at += part.length
  }
  return out
}

/** SEQUENCE of these elements. */
export function derSequence(...content: readonly Uint8Array[]): Buffer {
  return derElement(derTag.sequence, ...content)
}

/** INTEGER of an unsigned big-endian magnitude; leading zeros are dropped, one is put before a set high bit. */
export function derUnsigned(magnitude: Uint8Array): Buffer {
  let start = 0
  while (start < magnitude.length - 1 && magnitude[start] === 0) start++
  const significant = magnitude.subarray(start)
  const isHigh = significant.length === 0 || (significant[0] ?? 0) >= 0x80
  return derElement(derTag.integer, ...(isHigh ? [Buffer.of(0)] : []), significant)
}

/** BIT STRING of whole octets. */
export function derBitString(content: Uint8Array): Buffer {
  return derElement(derTag.bitString, Buffer.of(0), content)
}

/** OBJECT IDENTIFIER from its dotted form. */
export function derOid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  return derElement(
    derTag.objectIdentifier,
    Buffer.from([first * 40 + second, ...rest].flatMap(base128)),
  )
}

function base128(value: number): number[] {
  const digits = [value & 0x7f]
  for (let left = Math.floor(value / 128); left > 0; left = Math.floor(left / 128))
    digits.unshift((left & 0x7f) | 0x80)
  return digits
}

/** A certificate's time: UTCTime through 2049, GeneralizedTime from 2050 on [RFC 5280 4.1.2.5]. Whole seconds. */
export function derTime(seconds: number): Buffer {
  const time = new Date(seconds * 1000)
  const year = time.getUTCFullYear()
  if (year >= 1950 && year < 2050) return utcTime(time, year % 100)
  const [date = '', clock = ''] = time.toISOString().split('T')
  const text = `${date.replaceAll('-', '')}${clock.slice(0, 8).replaceAll(':', '')}Z`
  return derElement(derTag.generalizedTime, Buffer.from(text, 'latin1'))
}

/** Digit by digit: two of these are in every certificate, and a text would cost more than all else around them. */
function utcTime(time: Date, year: number): Buffer {
  const out = Buffer.allocUnsafe(15)
  out[0] = derTag.utcTime
  out[1] = 13
  writeTwoDigits(out, 2, year)
  writeTwoDigits(out, 4, time.getUTCMonth() + 1)
  writeTwoDigits(out, 6, time.getUTCDate())
  writeTwoDigits(out, 8, time.getUTCHours())
  writeTwoDigits(out, 10, time.getUTCMinutes())
  writeTwoDigits(out, 12, time.getUTCSeconds())
  out[14] = 0x5a
  return out
}

function writeTwoDigits(out: Buffer, at: number, value: number): void {
  out[at] = 0x30 + Math.floor(value / 10)
  out[at + 1] = 0x30 + (value % 10)
}

function headerLength(length: number): number {
  if (length < 0x80) return 2
  if (length < 0x100) return 3
  if (length < 0x10000) return 4
  return length < 0x1000000 ? 5 : 6
}

function writeHeader(out: Buffer, start: number, tag: number, length: number): number {
  out[start] = tag
  if (length < 0x80) {
    out[start + 1] = length
    return start + 2
  }
  if (length < 0x100) {
    out[start + 1] = 0x81
    out[start + 2] = length
    return start + 3
  }
  if (length < 0x10000) {
    out[start + 1] = 0x82
    return out.writeUInt16BE(length, start + 2)
  }
  const octets = length < 0x1000000 ? 3 : 4
  out[start + 1] = 0x80 | octets
  return out.writeUIntBE(length, start + 2, octets)
}
