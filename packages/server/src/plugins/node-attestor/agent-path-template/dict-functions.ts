import { type TemplateFunction, taking, takingMore } from './function-signature.ts'
import {
  boundedValue,
  isEmptyValue,
  printValue,
  TemplateDict,
  type TemplateValue,
  typeNameOf,
} from './template-value.ts'

const merging = (overwrites: boolean): TemplateFunction =>
  takingMore(['dict'], 'dict', ([target], sources) => {
    for (const source of sources) merge(target, source, overwrites)
    return boundedValue(target)
  })

/** The functions of sprig that make, change and ask dictionaries. */
export const dictFunctions: readonly (readonly [string, TemplateFunction])[] = [
  ['dict', makeDict],
  ['get', taking(['dict', 'string'], (dict, key) => dict.get(key) ?? '')],
  [
    'set',
    taking(['dict', 'string', 'any'], (dict, key, value) => {
      requireNoCycle(dict, value)
      return boundedValue(dict.set(key, value))
    }),
  ],
  [
    'unset',
    taking(['dict', 'string'], (dict, key) => {
      dict.delete(key)
      return dict
    }),
  ],
  ['hasKey', taking(['dict', 'string'], (dict, key) => dict.has(key))],
  [
    'pluck',
    takingMore(['string'], 'dict', ([key], dicts) =>
      dicts.filter((dict) => dict.has(key)).map((dict) => dict.get(key) ?? null),
    ),
  ],
  // Go tells them in any order; here, they are sorted.
  ['keys', takingMore([], 'dict', (_, dicts) => dicts.flatMap((dict) => [...dict.keys()].sort()))],
  [
    'values',
    taking(['dict'], (dict) => [...dict.keys()].sort().map((key) => dict.get(key) ?? null)),
  ],
  [
    'pick',
    takingMore(
      ['dict'],
      'string',
      ([dict], keys) => new TemplateDict([...dict].filter(([key]) => keys.includes(key))),
    ),
  ],
  [
    'omit',
    takingMore(
      ['dict'],
      'string',
      ([dict], keys) => new TemplateDict([...dict].filter(([key]) => !keys.includes(key))),
    ),
  ],
  ['merge', merging(false)],
  ['mustMerge', merging(false)],
  ['mergeOverwrite', merging(true)],
  ['mustMergeOverwrite', merging(true)],
  ['dig', dig],
]

function makeDict(args: readonly TemplateValue[]): TemplateValue {
  const dict = new TemplateDict()
  for (let at = 0; at < args.length; at += 2) {
    dict.set(printValue(args[at] ?? null), at + 1 < args.length ? (args[at + 1] ?? null) : '')
  }
  return dict
}

/** A dictionary in itself could not be printed. */
function requireNoCycle(dict: TemplateDict, value: TemplateValue): void {
  if (value === dict) throw new Error('a dictionary cannot hold itself')
  if (!Array.isArray(value) && !(value instanceof Map)) return
  for (const one of value.values()) requireNoCycle(dict, one)
}

/** What is missing or empty in the target comes from the source; all of it, if it overwrites. */
function merge(target: TemplateDict, source: TemplateDict, overwrites: boolean): void {
  for (const [key, value] of source) {
    const own = target.get(key) ?? null
    if (own instanceof TemplateDict && value instanceof TemplateDict) {
      merge(own, value, overwrites)
    } else if (overwrites || isEmptyValue(own)) {
      requireNoCycle(target, value)
      target.set(key, value)
    }
  }
}

function dig(args: readonly TemplateValue[]): TemplateValue {
  if (args.length < 3) throw new Error('dig needs at least three arguments')
  const keys = args.slice(0, -2)
  const fallback = args.at(-2) ?? null
  let value: TemplateValue = args.at(-1) ?? null
  for (const key of keys) {
    if (!(value instanceof TemplateDict) || typeof key !== 'string') {
      throw new Error(`wrong type for value; got ${typeNameOf(value)}`)
    }
    if (!value.has(key)) return fallback
    value = value.get(key) ?? null
  }
  return value
}
