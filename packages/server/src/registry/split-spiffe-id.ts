const scheme = 'spiffe://'

/** The two parts of an ID, as index keys. */
export interface SpiffeIdParts {
  readonly trustDomain: string
  readonly path: string
}

/**
 * Splits the text of a SPIFFE ID for a lookup. Nothing is validated: what is not an ID just matches no record, since records
 * hold parsed ones.
 */
export function splitSpiffeId(text: string): SpiffeIdParts | undefined {
  if (!text.startsWith(scheme)) return undefined
  const slash = text.indexOf('/', scheme.length)
  if (slash < 0) return { trustDomain: text.slice(scheme.length), path: '' }
  return { trustDomain: text.slice(scheme.length, slash), path: text.slice(slash) }
}
