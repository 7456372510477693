import { formatPosition, type Position } from '../ast.ts'
import { scanExponent, scanMantissa, scanTail } from '../number-scanner.ts'
import { scanString } from '../string-scanner.ts'
import {
  digitValue,
  endOfText,
  isBlank,
  isDecimal,
  isDigit,
  isLetter,
  TextReader,
} from '../text-reader.ts'

/** Kinds of token, by the names that messages print. */
export type HclTokenType =
  | 'ILLEGAL'
  | 'EOF'
  | 'COMMENT'
  | 'IDENT'
  | 'NUMBER'
  | 'FLOAT'
  | 'BOOL'
  | 'STRING'
  | 'HEREDOC'
  | 'LBRACK'
  | 'LBRACE'
  | 'COMMA'
  | 'PERIOD'
  | 'RBRACK'
  | 'RBRACE'
  | 'ASSIGN'
  | 'ADD'
  | 'SUB'

/** A piece of HCL. */
export interface HclToken {
  readonly type: HclTokenType
  readonly position: Position
  readonly text: string
}

/** How a token prints in a message. */
export function formatToken(token: HclToken): string {
  return `${formatPosition(token.position)} ${token.type} ${token.text}`
}

const marks: Readonly<Record<string, HclTokenType>> = {
  '[': 'LBRACK',
  ']': 'RBRACK',
  '{': 'LBRACE',
  '}': 'RBRACE',
  ',': 'COMMA',
  '=': 'ASSIGN',
  '+': 'ADD',
}

/** Cuts HCL 1 text into tokens. What is wrong with the text is kept in its reader. */
export class HclScanner {
  readonly reader: TextReader

  constructor(text: string) {
    this.reader = new TextReader(text, { refusesSpecials: true })
  }

  /** The next token; the last one is `EOF`, again and again. */
  scan(): HclToken {
    const { reader } = this
    let code = reader.next()
    while (isBlank(code)) code = reader.next()
    const start = reader.lastOffset
    const position = reader.position
    const type = this.#scanFrom(code)
    return { type, position, text: reader.text.slice(start, reader.offset) }
  }

  #scanFrom(code: number): HclTokenType {
    const { reader } = this
    if (code === endOfText) return 'EOF'
    if (isLetter(code)) return this.#scanIdentifier()
    if (isDecimal(code)) return this.#scanNumber(code)
    const mark = String.fromCodePoint(code)
    const single = marks[mark]
    if (single) return single
    switch (mark) {
      case '"':
        scanString(reader, { hasInterpolation: true })
        return 'STRING'
      case '#':
      case '/':
        this.#scanComment(mark)
        return 'COMMENT'
      case '<':
        this.#scanHeredoc()
        return 'HEREDOC'
      case '.':
        if (!isDecimal(reader.peek())) return 'PERIOD'
        scanExponent(reader, scanMantissa(reader, reader.peek()))
        return 'FLOAT'
      case '-':
        return isDecimal(reader.peek()) ? this.#scanNumber(reader.next()) : 'SUB'
      default:
        reader.fail('illegal char')
        return 'ILLEGAL'
    }
  }

  #scanIdentifier(): HclTokenType {
    const { reader } = this
    const start = reader.lastOffset
    let code = reader.next()
    while (isLetter(code) || isDigit(code) || code === 0x2d || code === 0x2e) code = reader.next()
    if (code !== endOfText) reader.unread()
    const word = reader.text.slice(start, reader.offset)
    return word === 'true' || word === 'false' ? 'BOOL' : 'IDENT'
  }

  #scanComment(mark: string): void {
    const { reader } = this
    const isBlock = mark === '/' && reader.peek() === 0x2a
    if (mark === '/' && !isBlock && reader.peek() !== 0x2f) {
      reader.fail("expected '/' for comment")
      return
    }
    let code = reader.next()
    if (!isBlock) {
      while (code !== 0x0a && code !== endOfText) code = reader.next()
      if (code !== endOfText) reader.unread()
      return
    }
    code = reader.next()
    for (;;) {
      if (code === endOfText) {
        reader.fail('comment not terminated')
        return
      }
      const previous = code
      code = reader.next()
      if (previous === 0x2a && code === 0x2f) return
    }
  }

  #scanNumber(first: number): HclTokenType {
    const { reader } = this
    if (first !== 0x30) {
      scanMantissa(reader, first)
      return this.#endNumber(reader.next())
    }
    let code = reader.next()
    if (code === 0x78 || code === 0x58) {
      code = reader.next()
      if (digitValue(code) >= 16) reader.fail('illegal hexadecimal number')
      while (digitValue(code) < 16) code = reader.next()
      if (code !== endOfText) reader.unread()
      return 'NUMBER'
    }
    let isIllegalOctal = false
    while (isDecimal(code)) {
      code = reader.next()
      if (code === 0x38 || code === 0x39) isIllegalOctal = true
    }
    const tail = scanTail(reader, code)
    if (tail) return tail
    if (isIllegalOctal) reader.fail('illegal octal number')
    if (code !== endOfText) reader.unread()
    return 'NUMBER'
  }

  #endNumber(code: number): HclTokenType {
    const tail = scanTail(this.reader, code)
    if (tail) return tail
    if (code !== endOfText) this.reader.unread()
    return 'NUMBER'
  }

  #scanHeredoc(): void {
    const { reader } = this
    if (reader.next() !== 0x3c) {
      reader.fail("heredoc expected second '<', didn't see it")
      return
    }
    const start = reader.offset
    let code = reader.next()
    if (code === 0x2d) code = reader.next()
    while (isLetter(code) || isDigit(code)) code = reader.next()
    if (code === endOfText) {
      reader.fail('heredoc not terminated')
      return
    }
    if (code !== 0x0a) {
      reader.fail('invalid characters in heredoc anchor')
      return
    }
    const anchor = reader.text.slice(start, reader.lastOffset)
    if (anchor === '' || anchor === '-') {
      reader.fail('zero-length heredoc anchor')
      return
    }
    this.#scanHeredocLines(anchor)
  }

  #scanHeredocLines(anchor: string): void {
    const { reader } = this
    const tag = anchor.startsWith('-') ? anchor.slice(1) : anchor
    const anchorBytes = Buffer.byteLength(anchor)
    for (;;) {
      const start = reader.offset
      let code = reader.next()
      while (code !== 0x0a && code !== endOfText) code = reader.next()
      if (code === endOfText) {
        reader.fail('heredoc not terminated')
        return
      }
      const line = reader.text.slice(start, reader.lastOffset)
      // The length is compared with that of the anchor including its dash, so `<<-X` is never ended by a bare `X`.
      if (Buffer.byteLength(line) < anchorBytes) continue
      if (line.replace(/^[\t\n\v\f\r ]*/, '').replace(/\r*$/, '') === tag) return
    }
  }
}
