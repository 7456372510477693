const escapes: Readonly<Record<string, string>> = {
  '\u0007': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
  '"': '\\"',
}

const unprintable = /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/u

/** Quotes a string as Go's `%q` does. */
export function quoteGo(text: string): string {
  let quoted = '"'
  for (const character of text) {
    const known = escapes[character]
    if (known !== undefined) quoted += known
    else if (unprintable.test(character)) quoted += escapeCode(character.codePointAt(0) ?? 0)
    else quoted += character
  }
  return `${quoted}"`
}

function escapeCode(code: number): string {
  if (code < 0x80) return `\\x${code.toString(16).padStart(2, '0')}`
  if (code >= 0xd800 && code <= 0xdfff) return '\\ufffd'
  if (code > 0xffff) return `\\U${code.toString(16).padStart(8, '0')}`
  return `\\u${code.toString(16).padStart(4, '0')}`
}
