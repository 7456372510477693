import { type TemplateFunction, taking, takingMore } from './function-signature.ts'
import { sprintf } from './go-format.ts'
import {
  isEmptyValue,
  printValue,
  TemplateDict,
  type TemplateValue,
  typeNameOf,
} from './template-value.ts'

const htmlEscapes: Readonly<Record<string, string>> = {
  '"': '&#34;',
  "'": '&#39;',
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '\0': '\ufffd',
}

/** The functions that Go's `text/template` has by itself. */
export const builtinFunctions: readonly (readonly [string, TemplateFunction])[] = [
  ['index', takingMore(['any'], 'any', ([value], keys) => keys.reduce(elementOf, value))],
  ['len', taking(['any'], lengthOf)],
  ['not', taking(['any'], isEmptyValue)],
  // What one decides is decided where they are called: they look at no more than they need.
  ['and', ([first = null]) => first],
  ['or', ([first = null]) => first],
  ['print', sprint],
  ['println', (args) => `${args.map(printValue).join(' ')}\n`],
  ['printf', takingMore(['string'], 'any', ([format], args) => sprintf(format, args))],
  ['html', (args) => textOf(args).replaceAll(/["'&<>\0]/g, (one) => htmlEscapes[one] ?? one)],
  ['js', (args) => escapeScript(textOf(args))],
  ['urlquery', (args) => escapeQuery(textOf(args))],
  [
    'call',
    takingMore(['any'], 'any', ([value]) => {
      throw new Error(`non-function ${printValue(value)} of type ${typeNameOf(value)}`)
    }),
  ],
  [
    'eq',
    takingMore(['any', 'any'], 'any', ([one, other], more) =>
      [other, ...more].some((value) => isEqual(one, value)),
    ),
  ],
  ['ne', taking(['any', 'any'], (one, other) => !isEqual(one, other))],
  ['lt', taking(['any', 'any'], (one, other) => order(one, other) < 0)],
  ['le', taking(['any', 'any'], (one, other) => order(one, other) <= 0)],
  ['gt', taking(['any', 'any'], (one, other) => order(one, other) > 0)],
  ['ge', taking(['any', 'any'], (one, other) => order(one, other) >= 0)],
]

function elementOf(value: TemplateValue, key: TemplateValue): TemplateValue {
  if (value instanceof Map) {
    if (typeof key !== 'string') {
      throw new Error(`value has type ${typeNameOf(key)}; should be string`)
    }
    return value.get(key) ?? (value instanceof TemplateDict ? null : '')
  }
  if (typeof value !== 'string' && !Array.isArray(value)) {
    throw new Error(`can't index item of type ${typeNameOf(value)}`)
  }
  const element = Number.isInteger(key)
    ? typeof value === 'string'
      ? Buffer.from(value)[Number(key)]
      : value[Number(key)]
    : undefined
  if (element === undefined) throw new Error(`index out of range: ${printValue(key)}`)
  return element
}

function lengthOf(value: TemplateValue): number {
  if (typeof value === 'string') return Buffer.byteLength(value)
  if (Array.isArray(value)) return value.length
  if (value instanceof Map) return value.size
  throw new Error(`len of type ${typeNameOf(value)}`)
}

/** Go's `fmt.Sprint`: blanks stand only between two that are no texts. */
function sprint(args: readonly TemplateValue[]): string {
  let text = ''
  args.forEach((value, at) => {
    const isApart = at > 0 && typeof value !== 'string' && typeof args[at - 1] !== 'string'
    text += `${isApart ? ' ' : ''}${printValue(value)}`
  })
  return text
}

function textOf(args: readonly TemplateValue[]): string {
  const [only] = args
  return args.length === 1 && typeof only === 'string' ? only : sprint(args)
}

function escapeScript(text: string): string {
  return text.replaceAll(/[\\'"<>&=\n\r\t\p{Cc}]/gu, (one) => {
    if (one === '\\' || one === "'" || one === '"') return `\\${one}`
    return `\\u${(one.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`
  })
}

function escapeQuery(text: string): string {
  return encodeURIComponent(text)
    .replaceAll(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%20', '+')
}

function isEqual(one: TemplateValue, other: TemplateValue): boolean {
  if (one === null || other === null) return one === other
  requireComparable(one)
  requireComparable(other)
  if (typeof one !== typeof other) throw new Error('incompatible types for comparison')
  return one === other
}

function requireComparable(value: TemplateValue): void {
  if (typeof value === 'object')
    throw new Error(`non-comparable type ${printValue(value)}: ${typeNameOf(value)}`)
}

function order(one: TemplateValue, other: TemplateValue): number {
  if (typeof one === 'number' && typeof other === 'number') return one - other
  if (typeof one === 'string' && typeof other === 'string') {
    return Buffer.compare(Buffer.from(one), Buffer.from(other))
  }
  throw new Error(
    typeof one === typeof other
      ? 'invalid type for comparison'
      : 'incompatible types for comparison',
  )
}
