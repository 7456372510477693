import type { Position } from './ast.ts'

/** What {@link TextReader.next} returns at the end of the text. */
export const endOfText = 0

/**
 * Reads characters one by one and knows where it is: lines and columns from 1, columns in characters.
 *
 * What the scanners find wrong is kept, not thrown: reading goes on, and the last finding is the one that counts.
 */
export class TextReader {
  readonly text: string
  /** Offset after the last character read. */
  offset = 0
  /** Offset of the last character read. */
  lastOffset = 0
  lastError: { readonly position: Position; readonly message: string } | undefined
  #line = 1
  #column = 0
  #lastLineLength = 0
  #previous = { offset: 0, line: 1, column: 0 }
  readonly #refusesSpecials: boolean

  constructor(text: string, options: { readonly refusesSpecials: boolean }) {
    this.text = text
    this.#refusesSpecials = options.refusesSpecials
  }

  /** The next character as a code point, or {@link endOfText}. */
  next(): number {
    const code = this.text.codePointAt(this.offset)
    if (code === undefined) {
      this.#column++
      this.lastOffset = this.offset
      return endOfText
    }
    this.#previous = { offset: this.offset, line: this.#line, column: this.#column }
    this.lastOffset = this.offset
    this.offset += code > 0xffff ? 2 : 1
    this.#column++
    if (code === 0x0a) {
      this.#line++
      this.#lastLineLength = this.#column
      this.#column = 0
    }
    if (this.#refusesSpecials && code === 0) this.fail('unexpected null character (0x00)')
    if (this.#refusesSpecials && code === 0xe123) {
      this.fail('unicode code point U+E123 reserved for internal use')
      return 0xfffd
    }
    return code
  }

  /** Puts the last character back. */
  unread(): void {
    this.offset = this.#previous.offset
    this.#line = this.#previous.line
    this.#column = this.#previous.column
  }

  /** The next character, which stays unread. */
  peek(): number {
    return this.text.codePointAt(this.offset) ?? endOfText
  }

  /** Where the last character read stands. */
  get position(): Position {
    return this.#column > 0
      ? { line: this.#line, column: this.#column }
      : { line: this.#line - 1, column: this.#lastLineLength }
  }

  /** Remembers what is wrong at the last character read. */
  fail(message: string): void {
    this.lastError = { position: this.position, message }
  }
}

const letter = /\p{L}/u
const digit = /\p{Nd}/u

/** Whether a code point may begin an identifier. */
export function isLetter(code: number): boolean {
  if (code < 0x80) {
    return (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a) || code === 0x5f
  }
  return letter.test(String.fromCodePoint(code))
}

/** Whether a code point is a digit of any script. */
export function isDigit(code: number): boolean {
  return code < 0x80 ? isDecimal(code) : digit.test(String.fromCodePoint(code))
}

/** Whether a code point is one of `0` to `9`. */
export function isDecimal(code: number): boolean {
  return code >= 0x30 && code <= 0x39
}

/** Space, tab, line feed, carriage return. */
export function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09 || code === 0x0a || code === 0x0d
}

/** The value of a hexadecimal digit, 16 for anything else. */
export function digitValue(code: number): number {
  if (isDecimal(code)) return code - 0x30
  if (code >= 0x61 && code <= 0x66) return code - 0x61 + 10
  if (code >= 0x41 && code <= 0x46) return code - 0x41 + 10
  return 16
}
