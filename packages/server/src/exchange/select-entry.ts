import type { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import type { RegistrationEntry } from '../model/registration-entry.ts'
import type { Selector } from '../model/selector.ts'
import type { Registry } from '../registry/registry.ts'
import { ExchangeError } from './exchange-error.ts'

/** What selects an entry. */
export interface EntrySelection {
  /** What stands for the token's issuer. */
  readonly parentId: SpiffeId
  /** Made from the claims of the verified token. */
  readonly selectors: readonly Selector[]
  /** Which of several identities is asked for; undefined: there can be one only. */
  readonly spiffeId: SpiffeId | undefined
  readonly nowSeconds: number
}

/**
 * Finds the one entry that a token stands for: below the token's issuer, all of its selectors among the token's, not expired. Several
 * with one SPIFFE ID are one identity: that with the most selectors counts, of equals the oldest. Several identities are no answer,
 * unless one is asked for.
 *
 * Entries with `admin` or `downstream` are never given away for a token, and neither are those that are stored elsewhere.
 *
 * @throws {ExchangeError} `ERR_EXCHANGE_NO_ENTRY`, `ERR_EXCHANGE_AMBIGUOUS`
 */
export function selectEntry(
  entries: Pick<Registry['entries'], 'list'>,
  selection: EntrySelection,
): RegistrationEntry {
  const { parentId, spiffeId, selectors, nowSeconds } = selection
  const filter = { parentId, spiffeId, selectors: { match: 'subset', selectors } } as const
  const found = entries.list({ filter }).entries.filter((entry) => isGiven(entry, nowSeconds))
  const [first, ...others] = found
  if (!first) {
    const what = spiffeId ? 'no entry with the SPIFFE ID asked for' : 'no entry'
    throw new ExchangeError('ERR_EXCHANGE_NO_ENTRY', `${what} is selected by the token`)
  }
  if (others.some((entry) => !entry.spiffeId.equals(first.spiffeId))) {
    const message = 'the token selects several SPIFFE IDs, and none is asked for'
    throw new ExchangeError('ERR_EXCHANGE_AMBIGUOUS', message)
  }
  return others.reduce(
    (best, entry) => (entry.selectors.length > best.selectors.length ? entry : best),
    first,
  )
}

function isGiven(entry: RegistrationEntry, nowSeconds: number): boolean {
  const { admin, downstream, storeSvid, expiresAtSeconds } = entry
  const isExpired = expiresAtSeconds !== 0 && expiresAtSeconds <= nowSeconds
  return !admin && !downstream && !storeSvid && !isExpired
}
