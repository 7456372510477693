import { BundleError } from './bundle-error.ts'

/** A JSON value. Objects have no prototype, so a member may have any name. */
export type JsonValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | readonly JsonValue[]
  | JsonObject

/** A JSON object without prototype. */
export interface JsonObject {
  readonly [name: string]: JsonValue | undefined
}

/** Bounds of {@link parseStrictJson}. */
export interface StrictJsonOptions {
  readonly maxCharacters: number
  /** Whether integers that a double cannot hold are read as bigint; else they are rounded as JSON.parse does. */
  readonly hasBigIntegers?: boolean
}

const maxDepth = 32
const space = /[ \t\n\r]*/y
const number = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
// A string's content is checked by JSON.parse; here only its end is found, in linear time.
const string = /"(?:[^"\\]|\\.)*"/y
const integer = /^-?\d{1,20}$/

/**
 * Parses a JSON text that must be an object. Stricter than JSON.parse where two readers could disagree: a member name that
 * comes twice is refused [SPIFFE Trust Domain and Bundle 6.3], as is a number that is not finite.
 *
 * @throws {BundleError} `ERR_JSON_MALFORMED`
 */
export function parseStrictJson(text: string, options: StrictJsonOptions): JsonObject {
  if (text.length > options.maxCharacters) throw malformed('text is too long')
  const reader = new Reader(text, options.hasBigIntegers ?? false)
  const value = reader.read(0)
  reader.finish()
  if (!isJsonObject(value)) throw malformed('an object is expected')
  return value
}

/** Whether a value is a JSON object. */
export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

class Reader {
  readonly #text: string
  readonly #hasBigIntegers: boolean
  #at = 0

  constructor(text: string, hasBigIntegers: boolean) {
    this.#text = text
    this.#hasBigIntegers = hasBigIntegers
  }

  finish(): void {
    this.#skipSpace()
    if (this.#at !== this.#text.length) throw malformed('text after the value')
  }

  read(depth: number): JsonValue {
    if (depth > maxDepth) throw malformed('nested too deeply')
    this.#skipSpace()
    const next = this.#text[this.#at]
    if (next === '{') return this.#readObject(depth)
    if (next === '[') return this.#readArray(depth)
    if (next === '"') return this.#readString()
    if (next === 't') return this.#readWord('true', true)
    if (next === 'f') return this.#readWord('false', false)
    if (next === 'n') return this.#readWord('null', null)
    return this.#readNumber()
  }

  #readObject(depth: number): JsonObject {
    const members: Record<string, JsonValue> = Object.create(null)
    this.#at++
    if (this.#takes('}')) return members
    do {
      this.#skipSpace()
      const name = this.#readString()
      if (name in members)
        throw malformed(`member ${JSON.stringify(name.slice(0, 64))} comes twice`)
      if (!this.#takes(':')) throw malformed('":" is missing')
      members[name] = this.read(depth + 1)
    } while (this.#takes(','))
    if (!this.#takes('}')) throw malformed('"}" is missing')
    return members
  }

  #readArray(depth: number): readonly JsonValue[] {
    const elements: JsonValue[] = []
    this.#at++
    if (this.#takes(']')) return elements
    do elements.push(this.read(depth + 1))
    while (this.#takes(','))
    if (!this.#takes(']')) throw malformed('"]" is missing')
    return elements
  }

  #readString(): string {
    const raw = this.#match(string)
    if (raw === undefined) throw malformed('a string is expected')
    try {
      return JSON.parse(raw)
    } catch (error) {
      throw malformed('a string is not valid', error)
    }
  }

  #readNumber(): number | bigint {
    const raw = this.#match(number)
    if (raw === undefined || raw === '') throw malformed('a value is expected')
    const value = Number(raw)
    if (!Number.isFinite(value)) throw malformed('a number is too large')
    if (this.#hasBigIntegers && !Number.isSafeInteger(value) && integer.test(raw))
      return BigInt(raw)
    return value
  }

  #readWord<T>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) throw malformed('a value is expected')
    this.#at += word.length
    return value
  }

  #takes(character: string): boolean {
    this.#skipSpace()
    if (this.#text[this.#at] !== character) return false
    this.#at++
    return true
  }

  #skipSpace(): void {
    this.#match(space)
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)?.[0]
    if (found !== undefined) this.#at += found.length
    return found
  }
}

function malformed(what: string, cause?: unknown): BundleError {
  return new BundleError('ERR_JSON_MALFORMED', `json: ${what}`, { cause })
}
