import { quoteGo } from '../go-quote.ts'

/** Where a caller says how long it waits. */
export const timeoutHeader = 'grpc-timeout'

const msPerUnit: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
}

/** Longer texts are not repeated to whoever sent them. */
const maxRepeated = 256

/** How long a caller waits for its answer, by its {@link timeoutHeader}; undefined for a text that says nothing of the kind. */
export function callTimeoutMs(text: string): number | undefined {
  const [, digits = '', unit = ''] = /^(\d{1,8})([HMSmun])$/.exec(text) ?? []
  const msEach = msPerUnit[unit]
  return msEach === undefined ? undefined : Number(digits) * msEach
}

/** What is wrong with a {@link timeoutHeader}, in the words of Go's gRPC; undefined: nothing. */
export function timeoutProblem(text: string): string | undefined {
  const quoted = quoteGo(text.slice(0, maxRepeated))
  if (text.length < 2) return `transport: timeout string is too short: ${quoted}`
  if (text.length > 9) return `transport: timeout string is too long: ${quoted}`
  const digits = text.slice(0, -1)
  if (!Object.hasOwn(msPerUnit, text.slice(-1)))
    return `transport: timeout unit is not recognized: ${quoted}`
  if (!/^\d+$/.test(digits)) return `strconv.ParseUint: parsing ${quoteGo(digits)}: invalid syntax`
  return undefined
}
