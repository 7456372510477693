import { formatPosition, type Position } from '../ast.ts'
import { scanExponent, scanMantissa, scanTail } from '../number-scanner.ts'
import { scanString } from '../string-scanner.ts'
import { endOfText, isBlank, isDecimal, isDigit, isLetter, TextReader } from '../text-reader.ts'

/** Kinds of token, by the names that messages print. */
export type JsonTokenType =
  | 'ILLEGAL'
  | 'EOF'
  | 'NUMBER'
  | 'FLOAT'
  | 'BOOL'
  | 'STRING'
  | 'NULL'
  | 'LBRACK'
  | 'LBRACE'
  | 'COMMA'
  | 'PERIOD'
  | 'COLON'
  | 'RBRACK'
  | 'RBRACE'

/** A piece of JSON. */
export interface JsonToken {
  readonly type: JsonTokenType
  readonly position: Position
  readonly text: string
}

/** How a token prints in a message. */
export function formatJsonToken(token: JsonToken): string {
  return `${formatPosition(token.position)} ${token.type} ${token.text}`
}

const marks: Readonly<Record<string, JsonTokenType>> = {
  '[': 'LBRACK',
  ']': 'RBRACK',
  '{': 'LBRACE',
  '}': 'RBRACE',
  ',': 'COMMA',
  ':': 'COLON',
}

/** Cuts JSON text into tokens. What is wrong with the text is kept in its reader. */
export class JsonScanner {
  readonly reader: TextReader

  constructor(text: string) {
    this.reader = new TextReader(text, { refusesSpecials: false })
  }

  /** The next token; the last one is `EOF`, again and again. */
  scan(): JsonToken {
    const { reader } = this
    let code = reader.next()
    while (isBlank(code)) code = reader.next()
    const start = reader.lastOffset
    const position = reader.position
    const type = this.#scanFrom(code)
    return { type, position, text: reader.text.slice(start, reader.offset) }
  }

  #scanFrom(code: number): JsonTokenType {
    const { reader } = this
    if (code === endOfText) return 'EOF'
    if (isLetter(code)) return this.#scanWord()
    if (isDecimal(code)) return this.#scanNumber(code)
    const mark = String.fromCodePoint(code)
    const single = marks[mark]
    if (single) return single
    if (mark === '"') {
      scanString(reader, { hasInterpolation: false })
      return 'STRING'
    }
    if (mark === '.') {
      if (!isDecimal(reader.peek())) return 'PERIOD'
      scanExponent(reader, scanMantissa(reader, reader.peek()))
      return 'FLOAT'
    }
    if (mark === '-' && isDecimal(reader.peek())) return this.#scanNumber(reader.next())
    reader.fail(mark === '-' ? 'illegal char' : `illegal char: ${mark}`)
    return 'ILLEGAL'
  }

  #scanWord(): JsonTokenType {
    const { reader } = this
    const start = reader.lastOffset
    let code = reader.next()
    while (isLetter(code) || isDigit(code) || code === 0x2d) code = reader.next()
    if (code !== endOfText) reader.unread()
    const word = reader.text.slice(start, reader.offset)
    if (word === 'true' || word === 'false') return 'BOOL'
    if (word === 'null') return 'NULL'
    reader.fail('illegal char')
    return 'ILLEGAL'
  }

  #scanNumber(first: number): JsonTokenType {
    const { reader } = this
    const end = reader.offset
    scanMantissa(reader, first)
    const code = reader.next()
    const tail = scanTail(reader, code)
    if (tail) return tail
    if (code !== endOfText) reader.unread()
    if (first === 0x30 && reader.offset !== end) reader.fail('numbers cannot start with 0')
    return 'NUMBER'
  }
}
