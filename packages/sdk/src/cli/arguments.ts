import { parseArgs } from 'node:util'
import { ExchangeError } from '../exchange/index.ts'

/** What a flag is for; `needed` ones must be given. */
export interface Flag {
  readonly text: string
  readonly needed?: boolean
}

/** Flags of a command, by name. */
export type Flags = Readonly<Record<string, Flag>>

/** Values of the flags that were given. */
export type Given = Readonly<Record<string, string | undefined>>

/** A command line that cannot be. The value of a flag is not repeated. */
export class UsageError extends Error {}

/** Reads `--name value` and `--name=value`. @throws {UsageError} */
export function readFlags(flags: Flags, args: readonly string[]): Given {
  const options = Object.fromEntries(
    Object.keys(flags).map((name) => [name, { type: 'string' as const }]),
  )
  const given = parsed(args, options)
  for (const [name, { needed }] of Object.entries(flags))
    if (needed && !given[name]) throw new UsageError(`--${name} is needed`)
  return given
}

/** A whole number. @throws {UsageError} */
export function readSeconds(given: Given, name: string): number | undefined {
  const text = given[name]
  if (text === undefined) return undefined
  if (!/^\d{1,9}$/.test(text)) throw new UsageError(`--${name}: a whole number is expected`)
  return Number(text)
}

/** What an error says to who typed the command. */
export function explain(error: unknown): string {
  if (error instanceof UsageError) return error.message
  if (error instanceof ExchangeError && error.code === 'ERR_EXCHANGE_OPTION')
    return error.message.replace(/^\w+/, (name) => `--${kebab(name)}`)
  return error instanceof Error ? error.message : 'unknown failure'
}

function parsed(
  args: readonly string[],
  options: Readonly<Record<string, { readonly type: 'string' }>>,
): Given {
  try {
    return parseArgs({ args: [...args], options, strict: true }).values
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION') throw new UsageError(unknownFlag(args, options))
    if (code === 'ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL')
      throw new UsageError('only flags are expected')
    throw new UsageError('a flag has no value')
  }
}

function unknownFlag(args: readonly string[], options: object): string {
  const name = args
    .filter((arg) => arg.startsWith('-'))
    .map((arg) => arg.replace(/=.*$/s, ''))
    .find((arg) => !Object.hasOwn(options, arg.slice(2)))
  return `there is no flag ${name}`
}

function kebab(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}
