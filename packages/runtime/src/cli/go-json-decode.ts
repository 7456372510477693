import { goJsonProblem } from './go-json-syntax.ts'
import { CommandError } from './usage-error.ts'

/** What a member of a JSON object may be, and its name in Go's messages. */
export type JsonShape =
  | { readonly kind: 'string' | 'bool' | 'int32' | 'int64' }
  /** Any value, taken as it is. */
  | { readonly kind: 'raw' }
  | { readonly kind: 'list'; readonly element: JsonShape }
  | {
      readonly kind: 'object'
      /** The Go type that messages name. */
      readonly type: string
      readonly members: { readonly [name: string]: JsonShape }
    }

/**
 * Decodes JSON as Go does into a structure: names in any case, unknown ones ignored, null is nothing; a value of the wrong
 * type is refused with Go's message.
 *
 * @throws {CommandError}
 */
export function decodeGoJson(text: string, shape: JsonShape): unknown {
  return decode(parse(text), shape, { owner: '', path: [] })
}

interface Place {
  readonly owner: string
  readonly path: readonly string[]
}

function parse(text: string): unknown {
  const problem = goJsonProblem(text)
  if (problem !== undefined) throw new CommandError(problem)
  return JSON.parse(text)
}

function decode(value: unknown, shape: JsonShape, place: Place): unknown {
  if (value === null || value === undefined) return undefined
  switch (shape.kind) {
    case 'string':
      return typeof value === 'string' ? value : refuse(value, 'string', place)
    case 'bool':
      return typeof value === 'boolean' ? value : refuse(value, 'bool', place)
    case 'int32':
    case 'int64':
      return isInteger(value, shape.kind) ? value : refuse(value, shape.kind, place)
    case 'raw':
      return value
    case 'list':
      if (!Array.isArray(value)) return refuse(value, typeOf(shape), place)
      return value.map((element) => decode(element, shape.element, place) ?? zeroOf(shape.element))
    case 'object':
      return decodeObject(value, shape, place)
    default:
      return shape satisfies never
  }
}

/** What Go leaves where a list has null. */
function zeroOf(shape: JsonShape): unknown {
  return { string: '', bool: false, int32: 0, int64: 0, raw: null, list: [], object: undefined }[
    shape.kind
  ]
}

function decodeObject(
  value: unknown,
  shape: Extract<JsonShape, { kind: 'object' }>,
  place: Place,
): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return refuse(value, shape.type, place)
  }
  const result: Record<string, unknown> = Object.create(null)
  for (const [name, member] of Object.entries(value)) {
    const known = Object.keys(shape.members).find(
      (key) => key === name || key.toLowerCase() === name.toLowerCase(),
    )
    const inner = known === undefined ? undefined : shape.members[known]
    if (known === undefined || !inner) continue
    const owner = shape.type.replace(/^.*\./, '')
    const decoded = decode(member, inner, { owner, path: [...place.path, known] })
    if (decoded !== undefined) result[known] = decoded
  }
  return result
}

function isInteger(value: unknown, kind: 'int32' | 'int64'): boolean {
  if (typeof value !== 'number' || !Number.isInteger(value)) return false
  const limit = kind === 'int32' ? 2 ** 31 : 2 ** 63
  return value >= -limit && value < limit
}

function typeOf(shape: JsonShape): string {
  if (shape.kind === 'list')
    return `[]${shape.element.kind === 'object' ? '*' : ''}${typeOf(shape.element)}`
  return shape.kind === 'object' ? shape.type : shape.kind
}

function refuse(value: unknown, type: string, { owner, path }: Place): never {
  const found =
    typeof value === 'number'
      ? type.startsWith('int')
        ? `number ${value}`
        : 'number'
      : Array.isArray(value)
        ? 'array'
        : typeof value === 'boolean'
          ? 'bool'
          : typeof value
  const field = path.length === 0 ? 'value' : `struct field ${owner}.${path.join('.')}`
  throw new CommandError(`json: cannot unmarshal ${found} into Go ${field} of type ${type}`)
}
