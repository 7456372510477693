/**
 * Reads JSON as Go's `encoding/json` reads it into a struct: field names in any case, `null` for what is absent, byte
 * slices as padded standard base64 in which line ends are ignored.
 */
export class GoJsonObject {
  readonly #fields: ReadonlyMap<string, unknown>

  private constructor(fields: ReadonlyMap<string, unknown>) {
    this.#fields = fields
  }

  /** @throws {Error} for what is not JSON or not an object */
  static parse(bytes: Uint8Array): GoJsonObject {
    return GoJsonObject.#from(parse(bytes)) ?? new GoJsonObject(new Map())
  }

  static #from(value: unknown): GoJsonObject | undefined {
    if (value === null || value === undefined) return undefined
    if (typeof value !== 'object' || Array.isArray(value)) {
      throw new Error('json: cannot unmarshal value into an object')
    }
    const fields = Object.entries(value).map(
      ([name, field]) => [name.toLowerCase(), field] as const,
    )
    return new GoJsonObject(new Map(fields))
  }

  /** A nested object; undefined when it is absent or null. */
  object(name: string): GoJsonObject | undefined {
    return GoJsonObject.#from(this.#fields.get(name.toLowerCase()))
  }

  /** A text; empty when it is absent or null. */
  string(name: string): string {
    const value = this.#fields.get(name.toLowerCase())
    if (value === null || value === undefined) return ''
    if (typeof value !== 'string') throw new Error('json: cannot unmarshal value into a string')
    return value
  }

  /** A text; undefined when it is absent or null. */
  optionalString(name: string): string | undefined {
    const value = this.#fields.get(name.toLowerCase())
    return value === null || value === undefined ? undefined : this.string(name)
  }

  /** A whole number; 0 when it is absent or null. */
  int(name: string): number {
    const value = this.#fields.get(name.toLowerCase())
    if (value === null || value === undefined) return 0
    if (!Number.isSafeInteger(value)) throw new Error('json: cannot unmarshal value into an int')
    return Number(value)
  }

  /** A byte slice; empty when it is absent or null. */
  bytes(name: string): Uint8Array {
    return bytesOf(this.#fields.get(name.toLowerCase()))
  }

  /** A list of byte slices; empty when it is absent or null. */
  bytesList(name: string): readonly Uint8Array[] {
    const value = this.#fields.get(name.toLowerCase())
    if (value === null || value === undefined) return []
    if (!Array.isArray(value)) throw new Error('json: cannot unmarshal value into a list')
    return value.map(bytesOf)
  }
}

/** The parser's own text would quote what it read: evidence, which no error repeats. */
function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    throw new Error('invalid JSON')
  }
}

function bytesOf(value: unknown): Uint8Array {
  if (value === null || value === undefined) return new Uint8Array()
  if (typeof value !== 'string') throw new Error('json: cannot unmarshal value into bytes')
  return decodeGoBase64(value)
}

/**
 * Reads padded standard base64 in which line ends are ignored.
 *
 * @throws {Error} for what is not, without repeating it
 */
export function decodeGoBase64(padded: string): Uint8Array {
  const text = padded.replaceAll(/[\r\n]/g, '')
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) {
    throw new Error('illegal base64 data')
  }
  return new Uint8Array(Buffer.from(text, 'base64'))
}
