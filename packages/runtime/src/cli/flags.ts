import { formatGoDuration, parseGoDuration } from '../config/go-duration.ts'
import { parseGoInteger } from '../config/go-integer.ts'
import { quoteGo } from '../go-quote.ts'
import { HelpRequest, UsageError } from './usage-error.ts'

interface Described {
  /** What help says. */
  readonly usage: string
  /** Help is SPIRE's to the letter, and SPIRE has no such flag. @default false */
  readonly isOurs?: true
}

/** A flag with one text. The last one counts. */
export interface StringFlag extends Described {
  readonly type: 'string'
  /** @default '' */
  readonly value?: string
}

/** A flag that is on or off: `-name` or `-name=false`, never `-name false`. */
export interface BoolFlag extends Described {
  readonly type: 'bool'
  /** Given at all it is on, whatever value stands beside it. @default false */
  readonly takesAnything?: true
}

/** A whole number in Go's syntax. */
export interface IntFlag extends Described {
  readonly type: 'int'
  /** @default 0 */
  readonly value?: number
}

/** A duration in Go's syntax, in nanoseconds. */
export interface DurationFlag extends Described {
  readonly type: 'duration'
  /** Milliseconds. @default 0 */
  readonly valueMs?: number
  /** The flag is of a type of its own, which words errors and help differently. */
  readonly isCustom?: true
}

/** A flag that may be given again and again. */
export interface StringsFlag extends Described {
  readonly type: 'strings'
}

/** A list with commas; given again, it replaces. */
export interface CommaListFlag extends Described {
  readonly type: 'comma-list'
}

/** `true`, `false`, or anything else for neither. */
export interface ChoiceFlag extends Described {
  readonly type: 'choice'
}

/** `pretty` or `json`; cannot be given twice with different formats, under any of its names. */
export interface OutputFlag extends Described {
  readonly type: 'output'
}

/** What a flag may be. */
export type FlagSchema =
  | StringFlag
  | BoolFlag
  | IntFlag
  | DurationFlag
  | StringsFlag
  | CommaListFlag
  | ChoiceFlag
  | OutputFlag

/** The flags of a command by name. */
export interface FlagsSchema {
  readonly [name: string]: FlagSchema
}

/** How results are printed. */
export type OutputFormat = 'pretty' | 'json'

/** The value of a flag. */
export type FlagValue<F extends FlagSchema> = F extends StringFlag
  ? string
  : F extends BoolFlag
    ? boolean
    : F extends IntFlag
      ? number
      : F extends DurationFlag
        ? bigint
        : F extends StringsFlag | CommaListFlag
          ? readonly string[]
          : F extends ChoiceFlag
            ? boolean | undefined
            : OutputFormat

/** The values of a command's flags. */
export type FlagValues<S extends FlagsSchema> = { readonly [K in keyof S]: FlagValue<S[K]> }

/** What parsing found. */
export interface ParsedFlags<S extends FlagsSchema> {
  readonly values: FlagValues<S>
  /** Names that were given. */
  readonly given: ReadonlySet<string>
  /** What follows the flags. */
  readonly rest: readonly string[]
}

/**
 * Parses arguments as Go's flag package does: `-name`, `--name`, `-name=value`, `-name value`; the first argument that is
 * no flag ends it, and what follows is ignored.
 *
 * @throws {UsageError} with Go's text
 */
export function parseFlags<const S extends FlagsSchema>(
  schema: S,
  args: readonly string[],
): ParsedFlags<S> {
  const values: Record<string, unknown> = Object.create(null)
  for (const [name, flag] of Object.entries(schema)) values[name] = startValue(flag)
  const given = new Set<string>()
  const rest = [...args]
  for (;;) {
    const argument = rest[0]
    if (argument === undefined || !argument.startsWith('-') || argument === '-') break
    rest.shift()
    if (argument === '--') break
    const { name, text } = split(argument)
    const flag = Object.hasOwn(schema, name) ? schema[name] : undefined
    if (!flag && (name === 'h' || name === 'help')) throw new HelpRequest()
    if (!flag) throw new UsageError(`flag provided but not defined: -${name}`)
    let value = text
    if (value === undefined && flag.type !== 'bool') {
      value = rest.shift()
      if (value === undefined) throw new UsageError(`flag needs an argument: -${name}`)
    }
    const before = values[name]
    const next = read(flag, name, value ?? 'true', before, given.has(name))
    values[name] = next
    given.add(name)
    if (flag.type === 'output') shareOutput(schema, values, given, next)
  }
  return { values: values as FlagValues<S>, given, rest }
}

function split(argument: string): { readonly name: string; readonly text: string | undefined } {
  const bare = argument.slice(argument.startsWith('--') ? 2 : 1)
  if (bare === '' || bare.startsWith('-') || bare.startsWith('=')) {
    throw new UsageError(`bad flag syntax: ${argument}`)
  }
  const equals = bare.indexOf('=')
  return equals < 0
    ? { name: bare, text: undefined }
    : { name: bare.slice(0, equals), text: bare.slice(equals + 1) }
}

/** All flags of the output type are one flag with several names. */
function shareOutput(
  schema: FlagsSchema,
  values: Record<string, unknown>,
  given: Set<string>,
  value: unknown,
): void {
  for (const [name, flag] of Object.entries(schema)) {
    if (flag.type !== 'output') continue
    values[name] = value
    given.add(name)
  }
}

function startValue(flag: FlagSchema): unknown {
  switch (flag.type) {
    case 'string':
      return flag.value ?? ''
    case 'bool':
      return false
    case 'int':
      return flag.value ?? 0
    case 'duration':
      return BigInt(flag.valueMs ?? 0) * 1_000_000n
    case 'strings':
    case 'comma-list':
      return []
    case 'choice':
      return undefined
    case 'output':
      return 'pretty'
    default:
      return flag satisfies never
  }
}

function read(
  flag: FlagSchema,
  name: string,
  text: string,
  before: unknown,
  wasGiven: boolean,
): unknown {
  const bad = (problem: string): UsageError =>
    new UsageError(`invalid value ${quoteGo(text)} for flag -${name}: ${problem}`)
  switch (flag.type) {
    case 'string':
      return text
    case 'bool': {
      if (flag.takesAnything) return true
      if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(text)) return true
      if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(text)) return false
      throw new UsageError(`invalid boolean value ${quoteGo(text)} for -${name}: parse error`)
    }
    case 'int': {
      const value = parseGoInteger(text)
      if (typeof value === 'number') return value
      throw bad(value === 'invalid syntax' ? 'parse error' : value)
    }
    case 'duration': {
      const parsed = parseGoDuration(text)
      if ('nanoseconds' in parsed) return parsed.nanoseconds
      throw bad(flag.isCustom ? parsed.problem : 'parse error')
    }
    case 'strings':
      return [...(before as readonly string[]), text]
    case 'comma-list':
      return text.split(',')
    case 'choice':
      return text === 'true' ? true : text === 'false' ? false : undefined
    case 'output':
      return readOutput(text, before as OutputFormat, wasGiven, bad)
    default:
      return flag satisfies never
  }
}

function readOutput(
  text: string,
  before: OutputFormat,
  wasGiven: boolean,
  bad: (problem: string) => UsageError,
): OutputFormat {
  if (wasGiven && before !== text) {
    throw bad(`the output format has already been set to "${before}"`)
  }
  const format = text.toLowerCase()
  if (format === 'pretty' || format === 'prettyprint') return 'pretty'
  if (format === 'json') return 'json'
  throw bad(`bad formatter flag: unknown format option: ${quoteGo(text)}`)
}

/** The help of a command, one paragraph a flag, as Go prints it. */
export function usageText(name: string, schema: FlagsSchema): string {
  const lines = Object.keys(schema)
    .sort()
    .map((flagName) => {
      const flag = schema[flagName]
      if (!flag || flag.isOurs) return ''
      const type = typeName(flag)
      return `  -${flagName}${type === '' ? '' : ` ${type}`}\n    \t${flag.usage}${defaultText(flag)}\n`
    })
  return `Usage of ${name}:\n${lines.join('')}`
}

function typeName(flag: FlagSchema): string {
  switch (flag.type) {
    case 'bool':
      return ''
    case 'string':
    case 'int':
      return flag.type
    case 'duration':
      return flag.isCustom ? 'value' : 'duration'
    default:
      return 'value'
  }
}

function defaultText(flag: FlagSchema): string {
  if (flag.type === 'string' && flag.value) return ` (default ${quoteGo(flag.value)})`
  if (flag.type === 'int' && flag.value) return ` (default ${flag.value})`
  if (flag.type === 'duration' && flag.valueMs) {
    return ` (default ${formatGoDuration(BigInt(flag.valueMs) * 1_000_000n)})`
  }
  return ''
}
