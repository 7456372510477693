import { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import { formatGoDuration } from '../config/go-duration.ts'
import { CommandError } from './usage-error.ts'

/** A SPIFFE ID as messages carry it. */
export interface WireId {
  readonly trustDomain: string
  readonly path: string
}

/** A SPIFFE ID given on a command line. @throws {SpiffeIdError} naming the rule it breaks */
export function parseWireId(text: string): { trustDomain: string; path: string } {
  const id = SpiffeId.parse(text)
  return { trustDomain: id.trustDomain.name, path: id.path }
}

/** A SPIFFE ID as people read it; empty when there is none. */
export function formatWireId(id: WireId | undefined): string {
  return id ? `spiffe://${id.trustDomain}${id.path}` : ''
}

/** A selector given as `type:value`; the value may have colons. @throws {CommandError} */
export function parseSelector(text: string): { type: string; value: string } {
  const colon = text.indexOf(':')
  if (colon < 0) throw new CommandError(`selector "${text}" must be formatted as type:value`)
  return { type: text.slice(0, colon), value: text.slice(colon + 1) }
}

/**
 * Checks that a number fits into 32 bits.
 *
 * @param prefix what the message begins with
 * @throws {CommandError}
 */
export function checkInt32(
  value: number,
  prefix: string,
  printed: string = `int(${value})`,
): number {
  if (value >= -(2 ** 31) && value < 2 ** 31) return value
  throw new CommandError(`${prefix}overflow converting ${printed} to int32`)
}

/** A number as a field of 64 bits takes it: one that was rounded up to 2^63 is the greatest that there is. */
export function toInt64(value: number): bigint {
  return BigInt.asIntN(64, BigInt(value)) === BigInt(value) ? BigInt(value) : 2n ** 63n - 1n
}

/** Whole seconds of nanoseconds, rounded up. @throws {CommandError} beyond 32 bits */
export function ttlSeconds(nanoseconds: bigint): number {
  const seconds = (nanoseconds + 999_999_999n) / 1_000_000_000n
  // SPIRE counts seconds in a duration type, so the number of seconds prints as if it were nanoseconds.
  const printed = `time.Duration(${formatGoDuration(seconds)})`
  return checkInt32(Number(seconds), 'invalid value for TTL: ', printed)
}

/** `1 agent`, `2 agents`. */
export function plural(count: number, singular: string, several: string = `${singular}s`): string {
  return `${count} ${count === 1 ? singular : several}`
}

/** A page of results, and where the next one begins; empty: nowhere. */
export interface Page<T> {
  readonly items: readonly T[]
  readonly nextPageToken: string
}

/** Gathers the items of all pages. */
export async function allPages<T>(fetch: (pageToken: string) => Promise<Page<T>>): Promise<T[]> {
  const items: T[] = []
  let pageToken = ''
  do {
    const page = await fetch(pageToken)
    items.push(...page.items)
    pageToken = page.nextPageToken
  } while (pageToken !== '')
  return items
}

/** Runs a call and puts words before what it fails with. @throws {CommandError} */
export async function explain<T>(prefix: string, call: Promise<T>): Promise<T> {
  try {
    return await call
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    throw new CommandError(prefix + message, { cause: error })
  }
}
