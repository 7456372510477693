import { endOfText, isDecimal, type TextReader } from './text-reader.ts'

/** Passes over decimal digits, the first of which was given; returns the character that ended them. */
export function scanMantissa(reader: TextReader, first: number): number {
  let code = first
  let hasScanned = false
  while (isDecimal(code)) {
    code = reader.next()
    hasScanned = true
  }
  if (hasScanned && code !== endOfText) reader.unread()
  return code
}

/** Passes over a fraction when the character given is its point. */
export function scanFraction(reader: TextReader, code: number): number {
  return code === 0x2e ? scanMantissa(reader, reader.peek()) : code
}

/** Passes over an exponent when the character given begins one. */
export function scanExponent(reader: TextReader, code: number): number {
  if (!isExponent(code)) return code
  let next = reader.next()
  if (next === 0x2d || next === 0x2b) next = reader.next()
  return scanMantissa(reader, next)
}

/** Passes over what may follow the digits of a number; returns which type that makes it. */
export function scanTail(reader: TextReader, code: number): 'NUMBER' | 'FLOAT' | undefined {
  if (isExponent(code)) {
    scanExponent(reader, code)
    return 'FLOAT'
  }
  if (code === 0x2e) {
    const after = scanFraction(reader, code)
    if (isExponent(after)) scanExponent(reader, reader.next())
    return 'FLOAT'
  }
  return undefined
}

function isExponent(code: number): boolean {
  return code === 0x65 || code === 0x45
}
