import { TemplateDict, type TemplateValue, typeNameOf } from './template-value.ts'

/** A function that templates can call. It throws a plain `Error` for arguments that it cannot take. */
export type TemplateFunction = (args: readonly TemplateValue[]) => TemplateValue

interface Types {
  readonly string: string
  readonly int: number
  readonly bool: boolean
  readonly list: readonly TemplateValue[]
  readonly dict: TemplateDict
  readonly any: TemplateValue
}
type Kind = keyof Types
type ArgsOf<Kinds extends readonly Kind[]> = { -readonly [At in keyof Kinds]: Types[Kinds[At]] }

const isOfKind: { readonly [K in Kind]: (value: TemplateValue) => boolean } = {
  string: (value) => typeof value === 'string',
  int: (value) => Number.isInteger(value),
  bool: (value) => typeof value === 'boolean',
  list: Array.isArray,
  dict: (value) => value instanceof TemplateDict,
  any: () => true,
}
const goTypes: Readonly<Partial<Record<Kind, string>>> = {
  list: 'slice',
  dict: 'map[string]interface {}',
}

/** A function that takes exactly these. */
export function taking<const Kinds extends readonly Kind[]>(
  kinds: Kinds,
  body: (...args: ArgsOf<Kinds>) => TemplateValue,
): TemplateFunction {
  return (args) => {
    if (args.length !== kinds.length) {
      throw new Error(`wrong number of args: want ${kinds.length} got ${args.length}`)
    }
    args.forEach((value, at) => {
      check(value, kinds[at] ?? 'any')
    })
    return body(...(args as ArgsOf<Kinds>))
  }
}

/** A function that takes these, and then any number of one kind. */
export function takingMore<const Kinds extends readonly Kind[], Rest extends Kind>(
  kinds: Kinds,
  rest: Rest,
  body: (given: ArgsOf<Kinds>, more: readonly Types[Rest][]) => TemplateValue,
): TemplateFunction {
  return (args) => {
    if (args.length < kinds.length) {
      throw new Error(`wrong number of args: want at least ${kinds.length} got ${args.length}`)
    }
    args.forEach((value, at) => {
      check(value, kinds[at] ?? rest)
    })
    const given = args.slice(0, kinds.length) as ArgsOf<Kinds>
    return body(given, args.slice(kinds.length) as Types[Rest][])
  }
}

function check(value: TemplateValue, kind: Kind): void {
  if (isOfKind[kind](value)) return
  const wanted = goTypes[kind] ?? kind
  throw new Error(`wrong type for value; expected ${wanted}; got ${typeNameOf(value)}`)
}
