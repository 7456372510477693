import { quoteGo } from '@mini-spire/runtime/go-quote'

const layout = '2006-01-02 15:04:05 -0700 -07'

interface Part {
  /** As the layout writes it. */
  readonly element: string
  readonly pattern: RegExp
  readonly min?: number
  readonly max?: number
  readonly name?: string
}

const parts: readonly Part[] = [
  { element: '2006', pattern: /^\d{4}/ },
  { element: '-', pattern: /^-/ },
  { element: '01', pattern: /^\d{2}/, min: 1, max: 12, name: 'month' },
  { element: '-', pattern: /^-/ },
  { element: '02', pattern: /^\d{2}/, min: 1, max: 31, name: 'day' },
  { element: ' ', pattern: /^ +/ },
  { element: '15', pattern: /^\d{2}/, max: 23, name: 'hour' },
  { element: ':', pattern: /^:/ },
  { element: '04', pattern: /^\d{2}/, max: 59, name: 'minute' },
  { element: ':', pattern: /^:/ },
  { element: '05', pattern: /^\d{2}/, max: 59, name: 'second' },
  { element: ' ', pattern: /^ +/ },
  { element: '-0700', pattern: /^[+-]\d{4}/ },
  { element: ' ', pattern: /^ +/ },
  { element: '-07', pattern: /^[+-]\d{2}/ },
]

/** What is wrong with a date of the layout `2006-01-02 15:04:05 -0700 -07`, in Go's words; undefined: nothing. */
export function dateProblem(text: string): string | undefined {
  const quoted = quoteGo(text)
  let rest = text
  for (const [index, { element, pattern, min = 0, max, name }] of parts.entries()) {
    const found = pattern.exec(rest)?.[0]
    if (found === undefined) {
      // A separator that is missing at the end is complained about as what follows it.
      const wanted = element === ' ' && rest === '' ? (parts[index + 1]?.element ?? '') : element
      return `parsing time ${quoted} as ${quoteGo(layout)}: cannot parse ${quoteGo(rest)} as ${quoteGo(wanted)}`
    }
    if (name !== undefined && (Number(found) < min || Number(found) > (max ?? 0))) {
      return `parsing time ${quoted}: ${name} out of range`
    }
    rest = rest.slice(found.length)
  }
  if (rest !== '') return `parsing time ${quoted}: extra text: ${quoteGo(rest)}`
  const [year = 0, month = 0, day = 0] = text.slice(0, 10).split('-').map(Number)
  const isRealDay = new Date(Date.UTC(year, month - 1, day)).getUTCDate() === day
  return isRealDay ? undefined : `parsing time ${quoted}: day out of range`
}
