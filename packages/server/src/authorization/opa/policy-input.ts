/**
 * Fields that hold a message around one value, so that "not set" and "false" differ. Decoded requests show the value alone.
 */
const wrappedFields: ReadonlySet<string> = new Set([
  'byBanned',
  'byCanReattest',
  'byDownstream',
  'byHint',
])

/** Counts down while a request is written; below zero the request is too large. */
interface Budget {
  left: number
}

/**
 * Writes a decoded request as policies for SPIRE see it: field names of the wire contract, 64-bit numbers as numbers, enums as
 * numbers, bytes in base64; what has its zero value is left out.
 *
 * @param maxSize how many values and characters it may have, together
 * @returns null for no request; undefined when it has more than it may have
 */
export function requestInput(request: unknown, maxSize: number): unknown {
  if (request === undefined || request === null) return null
  const budget: Budget = { left: maxSize }
  const value = writeValue(request, budget)
  return budget.left < 0 ? undefined : value
}

/** The name of a field in the wire contract. */
export function wireName(field: string): string {
  return field.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

function writeValue(value: unknown, budget: Budget): unknown {
  budget.left--
  if (typeof value === 'bigint') return Number(value)
  if (typeof value === 'string') {
    budget.left -= value.length
    return value
  }
  if (value instanceof Uint8Array) {
    budget.left -= value.length
    return budget.left < 0 ? '' : Buffer.from(value).toString('base64')
  }
  if (Array.isArray(value)) return writeList(value, budget)
  if (typeof value === 'object' && value !== null) return writeMessage(value, budget)
  return value
}

function writeList(values: readonly unknown[], budget: Budget): readonly unknown[] {
  const written: unknown[] = []
  for (const value of values) {
    if (budget.left < 0) break
    written.push(writeValue(value, budget))
  }
  return written
}

function writeMessage(message: object, budget: Budget): Readonly<Record<string, unknown>> {
  const written: Record<string, unknown> = {}
  for (const [field, value] of Object.entries(message)) {
    if (budget.left < 0) break
    if (value === undefined) continue
    if (wrappedFields.has(field)) {
      written[wireName(field)] = isZero(value) ? {} : { value: writeValue(value, budget) }
    } else if (!isZero(value)) written[wireName(field)] = writeValue(value, budget)
  }
  return written
}

function isZero(value: unknown): boolean {
  if (Array.isArray(value) || value instanceof Uint8Array) return value.length === 0
  return value === 0 || value === 0n || value === '' || value === false
}
