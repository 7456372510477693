/** A wildcard, or a character that stands for itself. */
type Part = 'within' | 'across' | { readonly character: string }

/** The longest pattern, in characters. */
const maxPatternLength = 256

/**
 * A pattern for a whole text: `*` is any run of characters but `/`, `**` any run of characters, everything else is itself. There
 * is no escape: a text with an asterisk in it is matched by `*` only.
 *
 * Matching takes time in proportion to pattern and text, whatever they are.
 */
export class Glob {
  readonly pattern: string
  readonly #parts: readonly Part[]

  private constructor(pattern: string, parts: readonly Part[]) {
    this.pattern = pattern
    this.#parts = parts
  }

  /** Reads a pattern; undefined for one that is empty, too long, or has more than two asterisks in a row. */
  static parse(pattern: string): Glob | undefined {
    if (pattern === '' || pattern.length > maxPatternLength || pattern.includes('***'))
      return undefined
    const parts = pattern.match(/\*\*|[\s\S]/g) ?? []
    return new Glob(pattern, parts.map(partOf))
  }

  matches(text: string): boolean {
    let reached = this.#closure(new Uint8Array(this.#parts.length + 1), 0)
    for (const character of text.split('')) {
      const next = new Uint8Array(this.#parts.length + 1)
      for (const [index, part] of this.#parts.entries()) {
        if (reached[index] !== 1) continue
        if (typeof part === 'object') {
          if (part.character === character) this.#closure(next, index + 1)
        } else if (part === 'across' || character !== '/') this.#closure(next, index)
      }
      reached = next
    }
    return reached[this.#parts.length] === 1
  }

  /** Marks a place as reached, and those behind wildcards that stand for nothing. */
  #closure(reached: Uint8Array, from: number): Uint8Array {
    for (let index = from; reached[index] === 0; index++) {
      reached[index] = 1
      if (index === this.#parts.length || typeof this.#parts[index] === 'object') break
    }
    return reached
  }
}

function partOf(text: string): Part {
  if (text === '*') return 'within'
  return text === '**' ? 'across' : { character: text }
}
