import type { Selector } from '../model/selector.ts'
import { EntryError } from './entry-error.ts'

/**
 * Checks selectors one by one: both parts are there, and the type has no colon, so that `type:value` reads only one way.
 *
 * @throws {EntryError} `ERR_ENTRY_MALFORMED`
 */
export function checkSelectors(selectors: readonly Selector[]): void {
  for (const { type, value } of selectors) {
    if (type === '') throw refused('missing selector type')
    if (type.includes(':')) throw refused("selector type contains ':'")
    if (value === '') throw refused('missing selector value')
  }
}

function refused(message: string): EntryError {
  return new EntryError('ERR_ENTRY_MALFORMED', message)
}
