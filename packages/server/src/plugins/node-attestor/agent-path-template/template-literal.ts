const escapes: Readonly<Record<string, string>> = {
  a: '\u0007',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  '"': '"',
  "'": "'",
}
const escapePattern =
  /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|([\s\S]))/g

/**
 * The value of a literal: a text in any of Go's quotes, a character, a number, or a truth.
 *
 * @throws {Error} for what is none
 */
export function literalOf(text: string): string | number | boolean | null {
  if (text === 'true' || text === 'false') return text === 'true'
  if (text === 'nil') return null
  if (text.startsWith('`')) return text.slice(1, -1)
  if (text.startsWith('"')) return unescaped(text)
  if (text.startsWith("'")) {
    const character = unescaped(text)
    if ([...character].length === 1) return character.codePointAt(0) ?? 0
    throw new Error(`malformed character constant: ${text}`)
  }
  const number = /^[+-]?\d/.test(text) ? numberOf(text.replaceAll('_', '')) : Number.NaN
  if (Number.isFinite(number)) return number
  throw new Error(`unexpected "${text}" in operand`)
}

function numberOf(text: string): number {
  const sign = text.startsWith('-') ? -1 : 1
  const digits = text.replace(/^[+-]/, '')
  // Go reads a leading zero as octal.
  return sign * Number(/^0[0-7]+$/.test(digits) ? `0o${digits.slice(1)}` : digits)
}

function unescaped(quoted: string): string {
  return quoted.slice(1, -1).replaceAll(escapePattern, (all, x, u4, u8, octal, simple) => {
    const code = x ?? u4 ?? u8
    if (code !== undefined) return String.fromCodePoint(Number.parseInt(code, 16))
    if (octal !== undefined) return String.fromCodePoint(Number.parseInt(octal, 8))
    const known = escapes[simple as string]
    if (known === undefined) throw new Error(`unable to parse string ${quoted}: ${all}`)
    return known
  })
}
