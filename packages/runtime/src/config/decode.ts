import { quoteGo } from '../go-quote.ts'
import {
  formatPosition,
  type LiteralNode,
  type Node,
  type ObjectItem,
  type ObjectList,
  positionOf,
} from './ast.ts'
import { ConfigError } from './config-error.ts'
import { parseGoInteger } from './go-integer.ts'
import {
  type Decoded,
  type FieldSchema,
  type SectionField,
  type SectionSchema,
  type UnknownKey,
  unknownKeys,
} from './schema.ts'
import { findUnknownKeys, isSameKey } from './unknown-keys.ts'

/** What a node is called in messages. */
const nodeNames: Record<Node['kind'], string> = {
  item: '*ast.ObjectItem',
  'object-list': '*ast.ObjectList',
  object: '*ast.ObjectType',
  list: '*ast.ListType',
  literal: '*ast.LiteralType',
}

type Values = { [key: string]: unknown; [unknownKeys]: readonly UnknownKey[] }

/**
 * Reads a block by its schema, as SPIRE reads it: keys in any case, repeats merged, numbers in quotes, booleans bare.
 *
 * Undefined (no block, no `plugin_data`) decodes to zero values. Values are not judged, and unknown keys are only
 * collected, under {@link unknownKeys}.
 *
 * @param path how messages name the block
 * @throws {ConfigError} `ERR_CONFIG_VALUE` for a value of the wrong type, with its position
 */
export function decodeSection<const S extends SectionSchema>(
  schema: S,
  node: Node | undefined,
  path = 'root',
): Decoded<S> {
  const values = emptySection(schema)
  if (node) decodeSectionInto(values, schema, node, path)
  return values as unknown as Decoded<S>
}

function emptySection(schema: SectionSchema): Values {
  const values: Values = Object.assign(Object.create(null), { [unknownKeys]: [] })
  for (const [key, field] of Object.entries(schema)) values[key] = zeroOf(field)
  return values
}

function zeroOf(field: FieldSchema): unknown {
  switch (field.type) {
    case 'string':
      return field.optional ? undefined : ''
    case 'int':
      return field.optional ? undefined : 0
    case 'bool':
      return field.optional ? undefined : false
    case 'section':
      return field.optional ? undefined : emptySection(field.fields)
    case 'strings':
      return field.optional ? undefined : []
    case 'sections':
      return []
    case 'section-map':
    case 'string-map':
    case 'strings-map':
      return new Map()
    case 'node':
      return undefined
    default:
      return field satisfies never
  }
}

function decodeSectionInto(values: Values, schema: SectionSchema, node: Node, path: string): void {
  const list = sectionList(node, path)
  for (const [key, field] of Object.entries(schema)) {
    const matches = withPrefix(list, key)
    const labelled = matches.filter((item) => item.keys.length > 0)
    const name = `${path}.${key}`
    if (labelled.length > 0) {
      values[key] = decodeField(field, { kind: 'object-list', items: labelled }, name, values[key])
    }
    for (const match of matches) {
      if (match.keys.length > 0) continue
      const value = match.value.kind === 'object' ? match.value.list : match.value
      values[key] = decodeField(field, value, name, values[key])
    }
  }
  values[unknownKeys] = [...values[unknownKeys], ...findUnknownKeys(list, Object.keys(schema))]
}

/** The items of a block; a bare value that stands where a block is expected is a block of itself. */
function sectionList(node: Node, path: string): ObjectList {
  const inner = node.kind === 'item' ? node.value : node
  if (inner.kind === 'object') return inner.list
  if (inner.kind === 'object-list') return inner
  if (inner.kind === 'literal' && node.kind === 'item') {
    return { kind: 'object-list', items: [node] }
  }
  throw typeError(node, `${path}: not an object type for struct (${nodeNames[inner.kind]})`, inner)
}

/** Items whose first key is this one, without that key. */
function withPrefix(list: ObjectList, key: string): readonly ObjectItem[] {
  return list.items
    .filter((item) => item.keys[0] !== undefined && isSameKey(item.keys[0].text, key))
    .map((item) => ({ kind: 'item', keys: item.keys.slice(1), value: item.value }))
}

function decodeField(field: FieldSchema, node: Node, path: string, previous: unknown): unknown {
  switch (field.type) {
    case 'string':
      return decodeString(node, path)
    case 'int':
      return decodeInt(node, path)
    case 'bool':
      return decodeBool(node, path)
    case 'strings':
      return decodeList(node, path, previous, (element, name) => decodeString(element, name))
    case 'section':
      return decodeInnerSection(field, node, path, previous)
    case 'sections':
      return decodeList(node, path, previous, (element, name) =>
        decodeSection(field.fields, expand(element), name),
      )
    case 'section-map':
      return decodeMap(node, path, previous, (value, name, old) =>
        decodeInnerSection({ type: 'section', fields: field.fields }, value, name, old),
      )
    case 'string-map':
      return decodeMap(node, path, previous, decodeString)
    case 'strings-map':
      return decodeMap(node, path, previous, (value, name, old) =>
        decodeList(value, name, old, (element, inner) => decodeString(element, inner)),
      )
    case 'node':
      return previous ?? node
    default:
      return field satisfies never
  }
}

function decodeInnerSection(
  field: SectionField,
  node: Node,
  path: string,
  previous: unknown,
): Values {
  const values = (previous as Values | undefined) ?? emptySection(field.fields)
  decodeSectionInto(values, field.fields, node, path)
  return values
}

function decodeString(node: Node, path: string): string {
  if (node.kind === 'literal') {
    if (node.type === 'number') return node.text
    if (node.type === 'string' || node.type === 'heredoc') return node.value
  }
  throw typeError(node, `${path}: unknown type for string ${nodeNames[node.kind]}`)
}

function decodeInt(node: Node, path: string): number {
  if (node.kind === 'literal' && (node.type === 'number' || node.type === 'string')) {
    return toInteger(node)
  }
  throw typeError(node, `${path}: unknown type ${nodeNames[node.kind]}`)
}

function toInteger(node: LiteralNode): number {
  const text = node.type === 'number' ? node.text : node.value
  const value = parseGoInteger(text)
  if (typeof value === 'number') return value
  throw new ConfigError('ERR_CONFIG_VALUE', `strconv.ParseInt: parsing ${quoteGo(text)}: ${value}`)
}

function decodeBool(node: Node, path: string): boolean {
  if (node.kind === 'literal' && node.type === 'bool') return node.text === 'true'
  throw typeError(node, `${path}: unknown type ${nodeNames[node.kind]}`)
}

function decodeList(
  node: Node,
  path: string,
  previous: unknown,
  decodeElement: (element: Node, path: string) => unknown,
): readonly unknown[] {
  const elements = listElements(node)
  const decoded = elements.map((element, index) => decodeElement(element, `${path}[${index}]`))
  return [...((previous as readonly unknown[] | undefined) ?? []), ...decoded]
}

function listElements(node: Node): readonly Node[] {
  switch (node.kind) {
    case 'object-list':
      return node.items
    case 'object':
      return [node]
    case 'list':
      return node.elements
    default:
      throw typeError(node, `unknown slice type: ${nodeNames[node.kind]}`)
  }
}

/** Undoes what JSON flattening did to an object of one member that is an object: two keys become a block in a block. */
function expand(node: Node): Node {
  const [outer, inner] = node.kind === 'item' ? node.keys : []
  if (node.kind !== 'item' || node.keys.length !== 2 || !outer || !inner) return node
  const item: ObjectItem = { kind: 'item', keys: [inner], value: node.value }
  const list: ObjectList = { kind: 'object-list', items: [item] }
  return {
    kind: 'item',
    keys: [outer],
    value: { kind: 'object', position: positionOf(list), list },
  }
}

function decodeMap<T>(
  node: Node,
  path: string,
  previous: unknown,
  decodeValue: (value: Node, path: string, old: unknown) => T,
): ReadonlyMap<string, T> {
  const list = mapList(node, path)
  const decoded = new Map<string, T>(previous as ReadonlyMap<string, T> | undefined)
  const done = new Set<string>()
  for (const item of list.items) {
    const key = item.keys[0]?.text
    if (key === undefined) throw typeError(node, `${path}: map must have string keys`)
    if (done.has(key)) continue
    let value: Node = item.value
    if (item.keys.length > 1) {
      value = { kind: 'object-list', items: withPrefix(list, key) }
      done.add(key)
    }
    decoded.set(key, decodeValue(value, `${path}.${key}`, decoded.get(key)))
  }
  return decoded
}

function mapList(node: Node, path: string): ObjectList {
  switch (node.kind) {
    case 'item':
      return { kind: 'object-list', items: [node] }
    case 'object':
      return node.list
    case 'object-list':
      return node
    default:
      throw typeError(node, `${path}: not an object type for map (${nodeNames[node.kind]})`)
  }
}

function typeError(node: Node, message: string, place: Node = node): ConfigError {
  return new ConfigError('ERR_CONFIG_VALUE', `At ${formatPosition(positionOf(place))}: ${message}`)
}
