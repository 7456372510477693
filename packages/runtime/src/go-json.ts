const escapes: Readonly<Record<string, string>> = {
  '<': '\\u003c',
  '>': '\\u003e',
  '&': '\\u0026',
  '\u2028': '\\u2028',
  '\u2029': '\\u2029',
}

/** Prints a value as Go's JSON encoder does: `<`, `>`, `&` and two line separators escaped, no spaces. */
export function stringifyGoJson(value: unknown): string {
  return escapeGoJson(JSON.stringify(value) ?? 'null')
}

/** Escapes, in finished JSON, what Go's encoder escapes and JavaScript's does not. */
export function escapeGoJson(json: string): string {
  return json.replaceAll(/[<>&\u2028\u2029]/g, (character) => escapes[character] ?? character)
}
