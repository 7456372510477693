import { type TemplateFunction, taking, takingMore } from './function-signature.ts'
import {
  boundedValue,
  isEmptyValue,
  isSameValue,
  printValue,
  type TemplateValue,
  templateLimits,
} from './template-value.ts'

type List = readonly TemplateValue[]

const ofList = (body: (list: List) => TemplateValue): TemplateFunction => taking(['list'], body)
/** A function, and its twin that says what is wrong: here, both do. */
const withMust = (
  name: string,
  body: TemplateFunction,
): readonly (readonly [string, TemplateFunction])[] => [
  [name, body],
  [`must${name.charAt(0).toUpperCase()}${name.slice(1)}`, body],
]
const push = taking(['list', 'any'], (list, value) => [...list, value])
const compareBytes = (one: string, other: string): number =>
  Buffer.compare(Buffer.from(one), Buffer.from(other))

/** The functions of sprig that make or change lists, and those that choose a value. */
export const listFunctions: readonly (readonly [string, TemplateFunction])[] = [
  ['list', (args) => args],
  ['tuple', (args) => args],
  ...withMust('append', push),
  ...withMust('push', push),
  ...withMust(
    'prepend',
    taking(['list', 'any'], (list, value) => [value, ...list]),
  ),
  ...withMust(
    'first',
    ofList((list) => list[0] ?? null),
  ),
  ...withMust(
    'last',
    ofList((list) => list.at(-1) ?? null),
  ),
  ...withMust(
    'rest',
    ofList((list) => list.slice(1)),
  ),
  ...withMust(
    'initial',
    ofList((list) => list.slice(0, -1)),
  ),
  ...withMust(
    'reverse',
    ofList((list) => list.toReversed()),
  ),
  ...withMust(
    'compact',
    ofList((list) => list.filter((value) => !isEmptyValue(value))),
  ),
  ...withMust(
    'uniq',
    ofList((list) =>
      list.filter((value, at) => list.findIndex((one) => isSameValue(one, value)) === at),
    ),
  ),
  ...withMust(
    'without',
    takingMore(['list'], 'any', ([list], omitted) => list.filter((value) => !isIn(omitted, value))),
  ),
  ...withMust(
    'has',
    taking(['any', 'any'], (value, list) => {
      if (list === null) return false
      if (!Array.isArray(list)) throw new Error('Cannot find has on type string')
      return isIn(list, value)
    }),
  ),
  ...withMust('slice', takingMore(['list'], 'any', sliced)),
  ...withMust('chunk', taking(['int', 'list'], chunked)),
  ['concat', takingMore([], 'list', (_, lists) => boundedValue(lists.flat(1)))],
  ['join', taking(['string', 'any'], (separator, value) => textsOf(value).join(separator))],
  ['toStrings', taking(['any'], textsOf)],
  ['sortAlpha', taking(['any'], (value) => textsOf(value).toSorted(compareBytes))],
  ['seq', takingMore([], 'int', (_, numbers) => sequence(numbers))],
  [
    'default',
    takingMore(['any'], 'any', ([other], [given = null]) => (isEmptyValue(given) ? other : given)),
  ],
  ['empty', taking(['any'], isEmptyValue)],
  [
    'coalesce',
    takingMore([], 'any', (_, values) => values.find((value) => !isEmptyValue(value)) ?? null),
  ],
  ['all', takingMore([], 'any', (_, values) => !values.some(isEmptyValue))],
  ['any', takingMore([], 'any', (_, values) => values.some((value) => !isEmptyValue(value)))],
  ['ternary', taking(['any', 'any', 'bool'], (one, other, isFirst) => (isFirst ? one : other))],
]

function isIn(list: List, value: TemplateValue): boolean {
  return list.some((one) => isSameValue(one, value))
}

/** The texts in a list, those that are nil left out; of anything else, its own. */
function textsOf(value: TemplateValue): readonly string[] {
  if (value === null) return []
  const list = Array.isArray(value) ? value : [value]
  return list.filter((one) => one !== null).map(printValue)
}

function sliced([list]: [List], indices: List): TemplateValue {
  if (list.length === 0) return null
  const [start, end] = [indices[0] ?? 0, indices[1] ?? list.length].map(Number)
  const isInside = start !== undefined && end !== undefined && start >= 0 && start <= end
  if (!isInside || end > list.length) {
    throw new Error(`slice bounds out of range [${start}:${end}] with length ${list.length}`)
  }
  return list.slice(start, end)
}

function chunked(size: number, list: List): TemplateValue {
  if (size < 1) throw new Error('a chunk has one element at least')
  const chunks: List[] = []
  for (let at = 0; at < list.length; at += size) chunks.push(list.slice(at, at + size))
  return chunks
}

/** Numbers from the first to the last, in the steps of the one between them, as seq(1) counts. */
function sequence(numbers: readonly number[]): string {
  if (numbers.length === 0 || numbers.length > 3) return ''
  const last = numbers.at(-1) ?? 0
  const first = numbers.length === 1 ? 1 : (numbers[0] ?? 0)
  const way = last < first ? -1 : 1
  const step = numbers.length === 3 ? (numbers[1] ?? 0) : way
  if (step === 0 || step > 0 !== way > 0) return ''
  if (Math.abs(last - first) / Math.abs(step) > templateLimits.elements) {
    throw new Error('the sequence is too long')
  }
  const found: number[] = []
  for (let number = first; way > 0 ? number <= last : number >= last; number += step) {
    found.push(number)
  }
  return found.join(' ')
}
