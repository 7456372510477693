import { digitValue, endOfText, type TextReader } from './text-reader.ts'

const quote = 0x22
const dollar = 0x24
const open = 0x7b
const close = 0x7d
const backslash = 0x5c
const newline = 0x0a

/** How the two languages' strings differ. */
export interface StringRules {
  /** In HCL, `${ … }` hides quotes and newlines. */
  readonly hasInterpolation: boolean
}

/** Passes over a string whose opening quote was read. */
export function scanString(reader: TextReader, rules: StringRules): void {
  let braces = 0
  for (;;) {
    const code = reader.next()
    const isHidden = rules.hasInterpolation && braces > 0
    if (code === endOfText || (code === newline && !isHidden)) {
      reader.fail('literal not terminated')
      return
    }
    if (code === quote && !isHidden) return
    if (braces === 0 && code === dollar && reader.peek() === open) {
      braces++
      reader.next()
    } else if (braces > 0 && code === open) {
      braces++
    } else if (braces > 0 && code === close) {
      braces--
    }
    if (code === backslash) scanEscape(reader, rules)
  }
}

function scanEscape(reader: TextReader, rules: StringRules): void {
  const code = reader.next()
  const name = String.fromCodePoint(code)
  if ('abfnrtv\\"'.includes(name)) return
  if (code >= 0x30 && code <= 0x37) scanDigits(reader, code, { base: 8, count: 3 }, rules)
  else if (name === 'x') scanDigits(reader, reader.next(), { base: 16, count: 2 }, rules)
  else if (name === 'u') scanDigits(reader, reader.next(), { base: 16, count: 4 }, rules)
  else if (name === 'U') scanDigits(reader, reader.next(), { base: 16, count: 8 }, rules)
  else reader.fail('illegal char escape')
}

function scanDigits(
  reader: TextReader,
  first: number,
  digits: { readonly base: number; readonly count: number },
  rules: StringRules,
): void {
  let code = first
  let left = digits.count
  while (left > 0 && digitValue(code) < digits.base) {
    code = reader.next()
    if (rules.hasInterpolation && code === endOfText) break
    left--
  }
  if (left > 0) reader.fail('illegal char escape')
  const mayUnread = !rules.hasInterpolation || left !== digits.count
  if (mayUnread && code !== endOfText) reader.unread()
}
