const nanosecondsPer: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  μs: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
}

const limit = 2n ** 63n

/** What came of a duration: its nanoseconds, or Go's message. */
export type ParsedDuration =
  | { readonly nanoseconds: bigint; readonly ms: number }
  | { readonly problem: string }

/**
 * Parses a duration in Go's syntax: `300ms`, `1h30m`, `-1.5h`, `0`. A number without unit is refused, days do not exist.
 */
export function parseGoDuration(text: string): ParsedDuration {
  const invalid: ParsedDuration = { problem: `time: invalid duration ${quoteDuration(text)}` }
  const sign = /^[+-]/.exec(text)?.[0] ?? ''
  let rest = text.slice(sign.length)
  if (rest === '0') return { nanoseconds: 0n, ms: 0 }
  if (rest === '') return invalid
  let total = 0n
  while (rest !== '') {
    const number = /^(\d*)(?:\.(\d*))?/.exec(rest)
    const [matched = '', whole = '', fraction = ''] = number ?? []
    if (whole === '' && fraction === '') return invalid
    if (BigInt(whole || '0') > limit) return invalid
    rest = rest.slice(matched.length)
    const unit = /^[^.\d]*/.exec(rest)?.[0] ?? ''
    if (unit === '') return { problem: `time: missing unit in duration ${quoteDuration(text)}` }
    const per = Object.hasOwn(nanosecondsPer, unit) ? nanosecondsPer[unit] : undefined
    if (per === undefined) {
      return {
        problem: `time: unknown unit ${quoteDuration(unit)} in duration ${quoteDuration(text)}`,
      }
    }
    rest = rest.slice(unit.length)
    total += BigInt(whole || '0') * per
    if (fraction !== '') total += (BigInt(fraction) * per) / 10n ** BigInt(fraction.length)
    if (total > limit || (total === limit && sign !== '-')) return invalid
  }
  const nanoseconds = sign === '-' ? -total : total
  return { nanoseconds, ms: Number(nanoseconds) / 1_000_000 }
}

/** As Go's package `time` quotes what is no duration: byte by byte, and only a backslash and a quote otherwise. */
function quoteDuration(text: string): string {
  const quoted = text
    .replaceAll(/["\\]/g, '\\$&')
    .replaceAll(/[^\x20-\x7f]/gu, (character) =>
      Array.from(Buffer.from(character), (byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join(
        '',
      ),
    )
  return `"${quoted}"`
}

/** Prints a duration as Go does: `24h0m0s`, `1.5s`, `300ms`, `0s`. */
export function formatGoDuration(nanoseconds: bigint): string {
  if (nanoseconds === 0n) return '0s'
  const sign = nanoseconds < 0n ? '-' : ''
  const value = nanoseconds < 0n ? -nanoseconds : nanoseconds
  if (value < 1_000n) return `${sign}${value}ns`
  if (value < 1_000_000n) return `${sign}${decimal(value, 3)}µs`
  if (value < 1_000_000_000n) return `${sign}${decimal(value, 6)}ms`
  const minutes = value / 60_000_000_000n
  const seconds = `${decimal(value % 60_000_000_000n, 9)}s`
  if (minutes === 0n) return `${sign}${seconds}`
  if (minutes < 60n) return `${sign}${minutes}m${seconds}`
  return `${sign}${minutes / 60n}h${minutes % 60n}m${seconds}`
}

function decimal(value: bigint, places: number): string {
  const digits = value.toString().padStart(places + 1, '0')
  const fraction = digits.slice(-places).replace(/0+$/, '')
  return digits.slice(0, -places) + (fraction === '' ? '' : `.${fraction}`)
}
