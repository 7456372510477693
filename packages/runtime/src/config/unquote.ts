const simpleEscapes: Readonly<Record<string, number>> = {
  a: 7,
  b: 8,
  f: 12,
  n: 10,
  r: 13,
  t: 9,
  v: 11,
  '\\': 0x5c,
  '"': 0x22,
}

/**
 * The string that a quoted literal stands for, or undefined when an escape names no character.
 *
 * With interpolation (HCL), what stands between `${` and its closing brace is left exactly as it is. `\x` and octal
 * escapes are bytes, so that two of them may make one character.
 */
export function unquote(
  literal: string,
  options: { readonly hasInterpolation: boolean },
): string | undefined {
  if (literal.length < 2 || !literal.startsWith('"') || !literal.endsWith('"')) return undefined
  const text = literal.slice(1, -1)
  if (!text.includes('\\')) return text
  const parts: Uint8Array[] = []
  for (let at = 0; at < text.length; ) {
    if (options.hasInterpolation && text.startsWith('${', at)) {
      const end = endOfInterpolation(text, at + 2)
      if (end === undefined) return undefined
      parts.push(Buffer.from(text.slice(at, end)))
      at = end
    } else if (text[at] === '\\') {
      const found = readEscape(text, at + 1)
      if (found === undefined) return undefined
      parts.push(found.bytes)
      at = found.end
    } else {
      const next = nextSpecial(text, at + 1)
      parts.push(Buffer.from(text.slice(at, next)))
      at = next
    }
  }
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(Buffer.concat(parts))
}

function nextSpecial(text: string, from: number): number {
  for (let at = from; at < text.length; at++) {
    if (text[at] === '\\' || text[at] === '$') return at
  }
  return text.length
}

function endOfInterpolation(text: string, from: number): number | undefined {
  let braces = 1
  for (let at = from; at < text.length; at++) {
    if (text[at] === '{') braces++
    else if (text[at] === '}' && --braces === 0) return at + 1
  }
  return undefined
}

function readEscape(
  text: string,
  at: number,
): { readonly bytes: Uint8Array; readonly end: number } | undefined {
  const name = text[at] ?? ''
  const simple = simpleEscapes[name]
  if (simple !== undefined) return { bytes: Uint8Array.of(simple), end: at + 1 }
  if (/[0-7]/.test(name)) {
    const value = parseDigits(text.slice(at, at + 3), /^[0-7]{3}$/, 8)
    return value === undefined || value > 255
      ? undefined
      : { bytes: Uint8Array.of(value), end: at + 3 }
  }
  if (name === 'x') {
    const value = parseDigits(text.slice(at + 1, at + 3), /^[0-9a-f]{2}$/i, 16)
    return value === undefined ? undefined : { bytes: Uint8Array.of(value), end: at + 3 }
  }
  const length = name === 'u' ? 4 : name === 'U' ? 8 : 0
  if (length === 0) return undefined
  const value = parseDigits(text.slice(at + 1, at + 1 + length), /^([0-9a-f]{4}){1,2}$/i, 16)
  if (value === undefined || value > 0x10ffff) return undefined
  if (value >= 0xd800 && value <= 0xdfff) return undefined
  return { bytes: Buffer.from(String.fromCodePoint(value)), end: at + 1 + length }
}

function parseDigits(digits: string, shape: RegExp, base: number): number | undefined {
  return shape.test(digits) ? Number.parseInt(digits, base) : undefined
}
