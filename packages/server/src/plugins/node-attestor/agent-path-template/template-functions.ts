import { createHash } from 'node:crypto'
import { posix } from 'node:path'
import { isEmptyValue, printValue, type TemplateValue } from './template-value.ts'

/** A function that templates can call. It throws a plain `Error` for arguments that it cannot take. */
export type TemplateFunction = (args: readonly TemplateValue[]) => TemplateValue

type Kind = 'text' | 'number' | 'list' | 'value'

function take(args: readonly TemplateValue[], index: number, kind: Kind): TemplateValue {
  const value = args[index]
  if (value === undefined) throw new Error('wrong number of args')
  if (kind === 'text' && typeof value !== 'string') throw new Error('wrong type; expected string')
  if (kind === 'number' && typeof value !== 'number') throw new Error('wrong type; expected int')
  if (kind === 'list' && !Array.isArray(value)) throw new Error('wrong type; expected slice')
  return value
}

const text = (args: readonly TemplateValue[], index: number): string =>
  take(args, index, 'text') as string
const number = (args: readonly TemplateValue[], index: number): number =>
  take(args, index, 'number') as number
const list = (args: readonly TemplateValue[], index: number): readonly TemplateValue[] =>
  take(args, index, 'list') as readonly TemplateValue[]

function fixed(count: number, body: TemplateFunction): TemplateFunction {
  return (args) => {
    if (args.length !== count) {
      throw new Error(`wrong number of args: want ${count} got ${args.length}`)
    }
    return body(args)
  }
}

const ofText = (body: (value: string) => TemplateValue): TemplateFunction =>
  fixed(1, (args) => body(text(args, 0)))
const ofTwo = (body: (first: string, second: string) => TemplateValue): TemplateFunction =>
  fixed(2, (args) => body(text(args, 0), text(args, 1)))

function trimCharacters(cutset: string, value: string): string {
  let start = 0
  let end = value.length
  while (start < end && cutset.includes(value.charAt(start))) start++
  while (end > start && cutset.includes(value.charAt(end - 1))) end--
  return value.slice(start, end)
}

function truncate(length: number, value: string): string {
  if (length < 0) return value.length + length > 0 ? value.slice(length) : value
  return value.slice(0, length)
}

function substring(start: number, end: number, value: string): string {
  if (start < 0) return value.slice(0, Math.max(end, 0))
  return value.slice(start, end < 0 || end > value.length ? value.length : end)
}

function indexInto(args: readonly TemplateValue[]): TemplateValue {
  let value = take(args, 0, 'value')
  for (const key of args.slice(1)) value = elementOf(value, key)
  return value
}

function elementOf(value: TemplateValue, key: TemplateValue): TemplateValue {
  if (value instanceof Map) return value.get(printValue(key)) ?? ''
  if (!Array.isArray(value)) throw new Error(`can't index item of type ${typeof value}`)
  const element = typeof key === 'number' ? value[key] : undefined
  if (element === undefined) throw new Error(`index out of range: ${printValue(key)}`)
  return element
}

const digest = (algorithm: string, value: string): string =>
  createHash(algorithm).update(value).digest('hex')

/** The functions by their names in templates: Go's own and sprig's, as far as agent paths have use for them. */
export const templateFunctions: ReadonlyMap<string, TemplateFunction> = new Map<
  string,
  TemplateFunction
>([
  ['index', indexInto],
  ['print', (args) => args.map(printValue).join('')],
  ['lower', ofText((value) => value.toLowerCase())],
  ['upper', ofText((value) => value.toUpperCase())],
  ['trim', ofText((value) => value.trim())],
  ['nospace', ofText((value) => value.replaceAll(/\s/g, ''))],
  ['sha1sum', ofText((value) => digest('sha1', value))],
  ['sha256sum', ofText((value) => digest('sha256', value))],
  ['base', ofText((value) => (value === '' ? '.' : posix.basename(value) || '/'))],
  ['dir', ofText((value) => posix.normalize(posix.dirname(value)))],
  ['toString', fixed(1, (args) => printValue(take(args, 0, 'value')))],
  [
    'trimPrefix',
    ofTwo((prefix, value) => (value.startsWith(prefix) ? value.slice(prefix.length) : value)),
  ],
  [
    'trimSuffix',
    ofTwo((suffix, value) =>
      suffix !== '' && value.endsWith(suffix) ? value.slice(0, -suffix.length) : value,
    ),
  ],
  ['trimAll', ofTwo(trimCharacters)],
  ['contains', ofTwo((part, value) => value.includes(part))],
  ['hasPrefix', ofTwo((prefix, value) => value.startsWith(prefix))],
  ['hasSuffix', ofTwo((suffix, value) => value.endsWith(suffix))],
  ['splitList', ofTwo((separator, value) => value.split(separator))],
  ['replace', fixed(3, (args) => text(args, 2).replaceAll(text(args, 0), () => text(args, 1)))],
  ['trunc', fixed(2, (args) => truncate(number(args, 0), text(args, 1)))],
  ['substr', fixed(3, (args) => substring(number(args, 0), number(args, 1), text(args, 2)))],
  ['join', fixed(2, (args) => list(args, 1).map(printValue).join(text(args, 0)))],
  ['first', fixed(1, (args) => list(args, 0)[0] ?? '')],
  ['last', fixed(1, (args) => list(args, 0).at(-1) ?? '')],
  [
    'default',
    fixed(2, (args) =>
      isEmptyValue(take(args, 1, 'value')) ? take(args, 0, 'value') : take(args, 1, 'value'),
    ),
  ],
])
