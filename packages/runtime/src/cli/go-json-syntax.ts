/**
 * What Go says is wrong with the syntax of a JSON text, or undefined when nothing is.
 */
export function goJsonProblem(text: string): string | undefined {
  try {
    new SyntaxReader(text).read()
    return undefined
  } catch (error) {
    if (error instanceof SyntaxProblem) return error.message
    throw error
  }
}

class SyntaxProblem extends Error {}

/** Deeper nesting than this is refused, as in Go. */
const maxDepth = 10_000

class SyntaxReader {
  readonly #characters: readonly string[]
  #at = 0
  #depth = 0

  constructor(text: string) {
    this.#characters = [...text]
  }

  read(): void {
    this.#skipSpace()
    this.#value()
    this.#skipSpace()
    if (this.#at < this.#characters.length) throw this.#bad('after top-level value')
  }

  #value(): void {
    const first = this.#peek()
    if (first === '{' || first === '[') this.#container(first)
    else if (first === '"') this.#string()
    else if (first === 't') this.#literal('true')
    else if (first === 'f') this.#literal('false')
    else if (first === 'n') this.#literal('null')
    else if (/[-0-9]/.test(first)) this.#number()
    else throw this.#bad('looking for beginning of value')
  }

  #container(open: '{' | '['): void {
    if (++this.#depth > maxDepth) throw new SyntaxProblem('exceeded max depth')
    const close = open === '{' ? '}' : ']'
    this.#at++
    this.#skipSpace()
    if (this.#peek() === close) this.#at++
    else this.#members(open, close)
    this.#depth--
  }

  #members(open: '{' | '[', close: string): void {
    for (;;) {
      this.#skipSpace()
      if (open === '{') this.#key()
      this.#value()
      this.#skipSpace()
      const next = this.#peek()
      if (next !== ',' && next !== close) {
        throw this.#bad(open === '{' ? 'after object key:value pair' : 'after array element')
      }
      this.#at++
      if (next === close) return
    }
  }

  #key(): void {
    if (this.#peek() !== '"') throw this.#bad('looking for beginning of object key string')
    this.#string()
    this.#skipSpace()
    if (this.#peek() !== ':') throw this.#bad('after object key')
    this.#at++
    this.#skipSpace()
  }

  #string(): void {
    this.#at++
    for (;;) {
      const character = this.#peek()
      if (character < ' ') throw this.#bad('in string literal')
      this.#at++
      if (character === '"') return
      if (character === '\\') this.#escape()
    }
  }

  #escape(): void {
    const character = this.#peek()
    if (!'"\\/bfnrtu'.includes(character)) throw this.#bad('in string escape code')
    this.#at++
    for (let digits = character === 'u' ? 4 : 0; digits > 0; digits--) {
      if (!/[0-9a-fA-F]/.test(this.#peek())) {
        throw this.#bad('in \\u hexadecimal character escape')
      }
      this.#at++
    }
  }

  #literal(word: string): void {
    for (const expected of word) {
      if (this.#peek() !== expected) {
        throw this.#bad(`in literal ${word} (expecting '${expected}')`)
      }
      this.#at++
    }
  }

  #number(): void {
    if (this.#peek() === '-') this.#at++
    if (this.#peek() === '0') this.#at++
    else this.#digits('in numeric literal')
    if (this.#characters[this.#at] === '.') {
      this.#at++
      this.#digits('after decimal point in numeric literal')
    }
    if (/^[eE]$/.test(this.#characters[this.#at] ?? '')) {
      this.#at++
      if (/[+-]/.test(this.#peek())) this.#at++
      this.#digits('in exponent of numeric literal')
    }
  }

  #digits(where: string): void {
    if (!/[0-9]/.test(this.#peek())) throw this.#bad(where)
    while (/^[0-9]$/.test(this.#characters[this.#at] ?? '')) this.#at++
  }

  #skipSpace(): void {
    while (/^[ \t\r\n]$/.test(this.#characters[this.#at] ?? '')) this.#at++
  }

  #peek(): string {
    const character = this.#characters[this.#at]
    if (character === undefined) throw new SyntaxProblem('unexpected end of JSON input')
    return character
  }

  #bad(where: string): SyntaxProblem {
    return new SyntaxProblem(`invalid character ${quoteCharacter(this.#peek())} ${where}`)
  }
}

function quoteCharacter(character: string): string {
  if (character === "'") return "'\\''"
  if (character === '"') return "'\"'"
  const quoted = JSON.stringify(character).slice(1, -1)
  return `'${quoted.replace(/^\\u00(..)$/, '\\x$1')}'`
}
