import { builtinFunctions } from './builtin-functions.ts'
import { dictFunctions } from './dict-functions.ts'
import type { TemplateFunction } from './function-signature.ts'
import { listFunctions } from './list-functions.ts'
import { textFunctions } from './text-functions.ts'
import { urlFunctions } from './url-functions.ts'
import { wordFunctions } from './word-functions.ts'

type Functions = ReadonlyMap<string, TemplateFunction>

const functions: Functions = new Map([
  ...builtinFunctions,
  ...textFunctions,
  ...wordFunctions,
  ...listFunctions,
  ...dictFunctions,
  ...urlFunctions,
])
/** Loaded with the first template that calls one: patterns are read by a library that few need. */
const regexpNames: readonly string[] = [
  ...['regexMatch', 'regexFind', 'regexFindAll', 'regexSplit', 'regexReplaceAll'],
  ...['regexReplaceAllLiteral', 'regexQuoteMeta'],
  ...['mustRegexMatch', 'mustRegexFind', 'mustRegexFindAll', 'mustRegexSplit'],
  ...['mustRegexReplaceAll', 'mustRegexReplaceAllLiteral'],
]

/**
 * The names of the functions that templates can call: Go's own, and those of sprig that SPIRE allows. None of them reads a
 * file, the environment, the network, a key or the time.
 */
export const templateFunctionNames: ReadonlySet<string> = new Set([
  ...functions.keys(),
  ...regexpNames,
])

/** The functions that a template needs. */
export async function loadFunctions(source: string): Promise<Functions> {
  if (!regexpNames.some((name) => source.includes(name))) return functions
  const { regexpFunctions } = await import('./regexp-functions.ts')
  return new Map([...functions, ...regexpFunctions])
}
