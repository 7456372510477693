import type { Selector } from '../model/selector.ts'
import { selectorKey } from '../model/selector.ts'
import type { EntryFields, EntryPatch, NewEntry } from './entry-draft.ts'
import { EntryError } from './entry-error.ts'

const maxEntryIdLength = 255
const entryIdCharacters = /^[-._A-Za-z0-9]*$/
/** Bytes, though SPIRE's text calls them characters. */
const maxHintLength = 1024

/**
 * Checks the hint that workloads choose an identity by.
 *
 * @throws {EntryError} `ERR_ENTRY_MALFORMED`
 */
export function checkHint(hint: string): void {
  if (Buffer.byteLength(hint) <= maxHintLength) return
  throw malformed(`hint is too long, max length is ${maxHintLength} characters`)
}

/**
 * Checks what hangs together in an entry about to be created. Single fields have been checked when they were read.
 *
 * @throws {EntryError} `ERR_ENTRY_MALFORMED`
 */
export function validateNewEntry(entry: NewEntry): void {
  if (entry.selectors.length === 0) throw invalid('missing selector list')
  if (entry.storeSvid) {
    if (entry.disableX509SvidPrefetch) {
      throw malformed(
        'datastore-validation: specifying cache behaviour is incompatible with storable SVIDs',
      )
    }
    checkOneSelectorType(entry.selectors)
  }
  if (entry.id.length > maxEntryIdLength) throw invalid('entry ID too long')
  if (!entryIdCharacters.test(entry.id)) throw invalid('entry ID contains invalid characters')
  checkTtls(entry)
}

/**
 * Checks a change by itself, before the entry is looked up.
 *
 * @throws {EntryError} `ERR_ENTRY_MALFORMED`
 */
export function validatePatch({ fields }: EntryPatch): void {
  if (fields.selectors?.length === 0) throw invalid('missing selector list')
  checkTtls(fields)
}

/**
 * Checks a change against the entry it is for. Selector types are compared only when selectors are part of the change, as
 * SPIRE does.
 *
 * @param stored whether the entry's SVIDs are stored, after the change
 * @throws {EntryError} `ERR_ENTRY_MALFORMED`
 */
export function validatePatched({ fields }: EntryPatch, stored: boolean): void {
  if (stored && fields.selectors) checkOneSelectorType(fields.selectors)
}

/**
 * Refuses what a set may not have twice. The texts are those of SPIRE's default database.
 *
 * @throws {EntryError} `ERR_ENTRY_EXISTS`
 */
export function checkDuplicates(
  fields: Pick<Partial<EntryFields>, 'selectors' | 'dnsNames'>,
): void {
  if (hasDuplicates((fields.selectors ?? []).map(selectorKey))) {
    throw duplicate('selectors.registered_entry_id, selectors.type, selectors.value')
  }
  if (hasDuplicates(fields.dnsNames ?? [])) {
    throw duplicate('dns_names.registered_entry_id, dns_names.value')
  }
}

/** The error for an ID that another entry has. */
export function entryIdTaken(cause?: unknown): EntryError {
  return duplicate('registered_entries.entry_id', cause)
}

function hasDuplicates(texts: readonly string[]): boolean {
  return texts.length > 1 && new Set(texts).size < texts.length
}

function checkOneSelectorType(selectors: readonly Selector[]): void {
  if (selectors.every(({ type }) => type === selectors[0]?.type)) return
  throw invalid('selector types must be the same when store SVID is enabled')
}

function checkTtls(fields: Partial<EntryFields>): void {
  if ((fields.x509SvidTtlSeconds ?? 0) < 0) throw invalid('X509SvidTtl is not set')
  if ((fields.jwtSvidTtlSeconds ?? 0) < 0) throw invalid('JwtSvidTtl is not set')
}

function invalid(what: string): EntryError {
  return malformed(`datastore-validation: invalid registration entry: ${what}`)
}

function malformed(message: string): EntryError {
  return new EntryError('ERR_ENTRY_MALFORMED', message)
}

function duplicate(columns: string, cause?: unknown): EntryError {
  return new EntryError('ERR_ENTRY_EXISTS', `datastore-sql: UNIQUE constraint failed: ${columns}`, {
    cause,
  })
}
