const max = 2n ** 63n - 1n
const min = -(2n ** 63n)

const shapes: readonly (readonly [RegExp, number])[] = [
  [/^0[xX](_?[0-9a-fA-F])+$/, 16],
  [/^0[bB](_?[01])+$/, 2],
  [/^0[oO](_?[0-7])+$/, 8],
  [/^0(_?[0-7])+$/, 8],
  [/^(0|[1-9](_?[0-9])*)$/, 10],
]

/**
 * Parses a whole number as Go does when it finds the base itself: `8081`, `0x1f91`, `0o17`, `017`, `0b11`, `1_000`.
 *
 * What is beyond 2^53 loses precision; no setting means such a number.
 */
export function parseGoInteger(text: string): number | 'invalid syntax' | 'value out of range' {
  const digits = text.replace(/^[+-]/, '')
  const shape = shapes.find(([pattern]) => pattern.test(digits))
  if (!shape) return 'invalid syntax'
  const value = toBigInt(digits.replaceAll('_', ''), shape[1]) * (text.startsWith('-') ? -1n : 1n)
  return value > max || value < min ? 'value out of range' : Number(value)
}

function toBigInt(digits: string, base: number): bigint {
  if (base === 10) return BigInt(digits)
  const bare = digits.replace(/^0[xXbBoO]?/, '')
  if (bare === '') return 0n
  return BigInt(`${base === 16 ? '0x' : base === 8 ? '0o' : '0b'}${bare}`)
}
