/** A record whose fields a template may name; naming another one is an error. */
export class TemplateStruct {
  /** As Go prints it in errors. */
  readonly typeName: string
  readonly fields: ReadonlyMap<string, TemplateValue>

  constructor(typeName: string, fields: Readonly<Record<string, TemplateValue>>) {
    this.typeName = typeName
    this.fields = new Map(Object.entries(fields))
  }

  /** A record that another is embedded in, as in Go: that one's fields can be named both directly and below its own name. */
  static embedding(
    typeName: string,
    embedded: readonly [string, TemplateStruct],
    fields: Readonly<Record<string, TemplateValue>>,
  ): TemplateStruct {
    const [name, inner] = embedded
    return new TemplateStruct(typeName, {
      ...Object.fromEntries(inner.fields),
      [name]: inner,
      ...fields,
    })
  }
}

/** What `dict` makes: the only map that functions take, and that `set` changes. */
export class TemplateDict extends Map<string, TemplateValue> {}

/** What a template can hold; `null` is Go's nil. A `Map` has keys that are known only when it runs. */
export type TemplateValue =
  | string
  | number
  | boolean
  | null
  | TemplateStruct
  | TemplateDict
  | ReadonlyMap<string, TemplateValue>
  | readonly TemplateValue[]

/** What a template may make at most: it is filled in with what strangers say. */
export const templateLimits = { textBytes: 65_536, elements: 10_000, steps: 20_000, depth: 100 }

/**
 * How Go prints a value inside a template.
 *
 * @throws {Error} for a value that holds too much: lists can hold the same list over and over
 */
export function printValue(value: TemplateValue): string {
  const parts: string[] = []
  let left = templateLimits.textBytes
  const put = (text: string): void => {
    left -= text.length
    if (left < 0) throw new Error('the text is too long')
    parts.push(text)
  }
  printInto(value, put)
  return parts.join('')
}

function printInto(value: TemplateValue, put: (text: string) => void): void {
  if (value === null) put('<nil>')
  else if (value instanceof TemplateStruct) {
    printList([...value.fields.values()], put, ['{', '}'])
  } else if (value instanceof Map) {
    put('map[')
    for (const [at, key] of [...value.keys()].sort().entries()) {
      put(`${at > 0 ? ' ' : ''}${key}:`)
      printInto(value.get(key) ?? null, put)
    }
    put(']')
  } else if (Array.isArray(value)) printList(value, put, ['[', ']'])
  else put(String(value))
}

function printList(
  values: readonly TemplateValue[],
  put: (text: string) => void,
  [open, close]: readonly [string, string],
): void {
  put(open)
  for (const [at, one] of values.entries()) {
    if (at > 0) put(' ')
    printInto(one, put)
  }
  put(close)
}

/** Whether a value is its type's zero: what `if` and sprig's `empty` go by. */
export function isEmptyValue(value: TemplateValue): boolean {
  if (value instanceof TemplateStruct) return false
  if (value instanceof Map) return value.size === 0
  if (Array.isArray(value)) return value.length === 0
  return value === '' || value === 0 || value === false || value === null
}

/** The kind of a value, as Go's errors name it. */
export function typeNameOf(value: TemplateValue): string {
  if (value === null) return '<nil>'
  if (value instanceof TemplateStruct) return value.typeName
  if (value instanceof TemplateDict) return 'map[string]interface {}'
  if (value instanceof Map) return 'map[string]string'
  if (Array.isArray(value)) return '[]interface {}'
  if (typeof value === 'number') return Number.isInteger(value) ? 'int' : 'float64'
  return typeof value === 'boolean' ? 'bool' : 'string'
}

/** Whether two values are the same, however deep. */
export function isSameValue(one: TemplateValue, other: TemplateValue): boolean {
  if (Array.isArray(one) && Array.isArray(other)) {
    return (
      one.length === other.length && one.every((value, at) => isSameValue(value, other[at] ?? null))
    )
  }
  if (one instanceof Map && other instanceof Map) {
    if (one.size !== other.size) return false
    return [...one].every(
      ([key, value]) => other.has(key) && isSameValue(value, other.get(key) ?? null),
    )
  }
  return one === other
}

/** @throws {Error} for a value that has grown too large */
export function boundedValue(value: TemplateValue): TemplateValue {
  if (typeof value === 'string' && value.length > templateLimits.textBytes) {
    throw new Error('the text is too long')
  }
  if (countUpTo(value, templateLimits.elements) > templateLimits.elements) {
    throw new Error('the list is too long')
  }
  return value
}

/** How many values there are in a value, however deep; counted no further than needed. */
function countUpTo(value: TemplateValue, limit: number): number {
  if (!Array.isArray(value) && !(value instanceof Map)) return 1
  let count = 0
  for (const one of value.values()) {
    count += countUpTo(one, limit - count)
    if (count > limit) return count
  }
  return count
}
