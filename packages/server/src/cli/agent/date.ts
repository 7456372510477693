import { quoteGo } from '@mini-spire/runtime/go-quote'

const layout = '2006-01-02 15:04:05 -0700 -07'

interface Part {
  /** As the layout writes it. */
  readonly element: string
  readonly pattern: RegExp
  readonly min?: number
  readonly max?: number
  readonly name?: string
  /** The most hours and minutes that a zone may be away. */
  readonly zone?: readonly [hours: number, minutes?: number]
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
  // A fraction may follow, though the layout has none.
  { element: '05', pattern: /^\d{2}(?:[.,]\d+)?/, max: 59, name: 'second' },
  { element: ' ', pattern: /^ +/ },
  { element: '-0700', pattern: /^[+-]\d{4}/, zone: [24, 60] },
  { element: ' ', pattern: /^ +/ },
  { element: '-07', pattern: /^[+-]\d{2}/, zone: [24] },
]

/** What is wrong with a date of the layout `2006-01-02 15:04:05 -0700 -07`, in Go's words; undefined: nothing. */
export function dateProblem(text: string): string | undefined {
  const quoted = quoteGo(text)
  let rest = text
  for (const [index, part] of parts.entries()) {
    const { element, pattern } = part
    const found = pattern.exec(rest)?.[0]
    if (found === undefined) {
      // A separator that is missing at the end is complained about as what follows it.
      const wanted = element === ' ' && rest === '' ? (parts[index + 1]?.element ?? '') : element
      return `parsing time ${quoted} as ${quoteGo(layout)}: cannot parse ${quoteGo(rest)} as ${quoteGo(wanted)}`
    }
    const wrong = outOfRange(part, found)
    if (wrong !== undefined) return `parsing time ${quoted}: ${wrong} out of range`
    rest = rest.slice(found.length)
  }
  if (rest !== '') return `parsing time ${quoted}: extra text: ${quoteGo(rest)}`
  const [year = 0, month = 0, day = 0] = text.slice(0, 10).split('-').map(Number)
  const isRealDay = new Date(Date.UTC(year, month - 1, day)).getUTCDate() === day
  return isRealDay ? undefined : `parsing time ${quoted}: day out of range`
}

function outOfRange({ min = 0, max = 0, name, zone }: Part, found: string): string | undefined {
  if (zone) {
    const [hours, minutes = 0] = zone
    if (Number(found.slice(1, 3)) > hours) return 'time zone offset hour'
    return Number(found.slice(3)) > minutes ? 'time zone offset minute' : undefined
  }
  const value = Number.parseInt(found, 10)
  return name !== undefined && (value < min || value > max) ? name : undefined
}
