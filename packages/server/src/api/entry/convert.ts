import { ApiError } from '@mini-spire/runtime/grpc/api-error'
import type { Entry, EntryMask } from '@mini-spire/runtime/proto/spire/api/types/entry'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { checkDnsName } from '../../model/dns-name.ts'
import type { RegistrationEntry } from '../../model/registration-entry.ts'
import { compareSelectors, compareText } from '../../model/selector.ts'
import type { EntryFields, EntryPatch, NewEntry } from '../../registration/entry-draft.ts'
import { checkHint } from '../../registration/validate-entry.ts'
import { int64FromProto, int64ToProto } from '../convert-integer.ts'
import { selectorsFromProto, selectorsToProto } from '../convert-selectors.ts'
import { memberIdFromProto, spiffeIdToProto, workloadIdFromProto } from '../convert-spiffe-id.ts'
import { labelled } from '../failure.ts'
import { entryMessages } from './messages.ts'

const maskFields: readonly (keyof EntryMask)[] = [
  'spiffeId',
  'parentId',
  'selectors',
  'x509SvidTtl',
  'federatesWith',
  'admin',
  'downstream',
  'expiresAt',
  'dnsNames',
  'revisionNumber',
  'storeSvid',
  'jwtSvidTtl',
  'hint',
  'createdAt',
  'additionalAttributes',
]

const everything: EntryMask = Object.freeze(
  Object.fromEntries(maskFields.map((field) => [field, true])) as { [F in keyof EntryMask]: true },
)

/** A number that is equal exactly for masks that select the same fields. */
export function maskKey(mask: EntryMask | undefined): number {
  const wanted = mask ?? everything
  return maskFields.reduce((key, field) => key * 2 + (wanted[field] ? 1 : 0), 0)
}

/** Writes an entry with the fields that the mask selects; the ID always, and everything without a mask. */
export function entryToProto(entry: RegistrationEntry, mask: EntryMask = everything): Entry {
  return {
    id: entry.id,
    spiffeId: mask.spiffeId ? spiffeIdToProto(entry.spiffeId) : undefined,
    parentId: mask.parentId ? spiffeIdToProto(entry.parentId) : undefined,
    selectors: mask.selectors ? selectorsToProto(entry.selectors) : [],
    x509SvidTtl: mask.x509SvidTtl ? entry.x509SvidTtlSeconds : 0,
    federatesWith: mask.federatesWith ? entry.federatesWith.map(({ name }) => name) : [],
    admin: mask.admin && entry.admin,
    downstream: mask.downstream && entry.downstream,
    expiresAt: mask.expiresAt ? int64ToProto(entry.expiresAtSeconds) : 0n,
    dnsNames: mask.dnsNames ? [...entry.dnsNames] : [],
    revisionNumber: mask.revisionNumber ? int64ToProto(entry.revisionNumber) : 0n,
    storeSvid: mask.storeSvid && entry.storeSvid,
    jwtSvidTtl: mask.jwtSvidTtl ? entry.jwtSvidTtlSeconds : 0,
    hint: mask.hint ? entry.hint : '',
    createdAt: mask.createdAt ? int64ToProto(entry.createdAtSeconds) : 0n,
    additionalAttributes: mask.additionalAttributes ? attributesToProto(entry) : undefined,
  }
}

/**
 * Writes an entry as the answer of a creation or an update has it: selectors and DNS names sorted, where reading an entry
 * gives them in the order in which they were written.
 */
export function writtenEntryToProto(entry: RegistrationEntry, mask?: EntryMask): Entry {
  const selectors = [...entry.selectors].sort(compareSelectors)
  const dnsNames = [...entry.dnsNames].sort(compareText)
  return entryToProto({ ...entry, selectors, dnsNames }, mask)
}

/** An entry without any attribute has no message for them, even when it was created with an empty one. */
function attributesToProto(entry: RegistrationEntry): Entry['additionalAttributes'] {
  const { disableX509SvidPrefetch, jwtSvidIncludeJti } = entry
  if (!(disableX509SvidPrefetch || jwtSvidIncludeJti)) return undefined
  return { disableX509SvidPrefetch, jwtSvidIncludeJti }
}

/**
 * Reads an entry to create. Revision number and creation time are the server's: what the message says is ignored.
 *
 * @throws {ApiError} `invalid-argument` naming field and rule; the first that is broken, in SPIRE's order
 */
export function newEntryFromProto(trustDomain: TrustDomain, entry: Entry): NewEntry {
  // Selected by a mask of everything, no field is missing.
  const fields = fieldsFromProto(trustDomain, entry, everything) as EntryFields
  return { id: entry.id, ...fields }
}

/**
 * Reads a change of an entry. Only fields that the mask selects are looked at; without a mask, all.
 *
 * @throws {ApiError} `invalid-argument` naming field and rule
 */
export function entryPatchFromProto(
  trustDomain: TrustDomain,
  entry: Entry,
  mask: EntryMask | undefined,
): EntryPatch {
  return { id: entry.id, fields: fieldsFromProto(trustDomain, entry, mask ?? everything) }
}

type Writable<Value> = { -readonly [Key in keyof Value]: Value[Key] }

function fieldsFromProto(
  trustDomain: TrustDomain,
  entry: Entry,
  mask: EntryMask,
): Partial<EntryFields> {
  const fields: Writable<Partial<EntryFields>> = {}
  if (mask.parentId) {
    fields.parentId = labelled('invalid parent ID', () =>
      memberIdFromProto(trustDomain, entry.parentId),
    )
  }
  if (mask.spiffeId) {
    fields.spiffeId = labelled('invalid spiffe ID', () =>
      workloadIdFromProto(trustDomain, entry.spiffeId),
    )
  }
  if (mask.dnsNames) {
    labelled('invalid DNS name', () => entry.dnsNames.forEach(checkDnsName))
    fields.dnsNames = entry.dnsNames
  }
  if (mask.federatesWith) fields.federatesWith = federatesWithFromProto(entry.federatesWith)
  if (mask.selectors) {
    if (entry.selectors.length === 0) {
      throw new ApiError('invalid-argument', entryMessages.emptySelectors)
    }
    fields.selectors = selectorsFromProto(entry.selectors)
  }
  if (mask.hint) {
    checkHint(entry.hint)
    fields.hint = entry.hint
  }
  readPlainFields(fields, entry, mask)
  return fields
}

function federatesWithFromProto(names: readonly string[]): readonly TrustDomain[] {
  const trustDomains = labelled('invalid federated trust domain', () =>
    names.map((name) => TrustDomain.parse(name)),
  )
  return [...new Map(trustDomains.map((trustDomain) => [trustDomain.name, trustDomain])).values()]
}

/** Reads what every value of the message is right for; ranges are the domain's to check. */
function readPlainFields(
  fields: Writable<Partial<EntryFields>>,
  entry: Entry,
  mask: EntryMask,
): void {
  if (mask.x509SvidTtl) fields.x509SvidTtlSeconds = entry.x509SvidTtl
  if (mask.jwtSvidTtl) fields.jwtSvidTtlSeconds = entry.jwtSvidTtl
  if (mask.admin) fields.admin = entry.admin
  if (mask.downstream) fields.downstream = entry.downstream
  if (mask.storeSvid) fields.storeSvid = entry.storeSvid
  if (mask.expiresAt) fields.expiresAtSeconds = int64FromProto(entry.expiresAt)
  if (!mask.additionalAttributes) return
  fields.disableX509SvidPrefetch = entry.additionalAttributes?.disableX509SvidPrefetch ?? false
  fields.jwtSvidIncludeJti = entry.additionalAttributes?.jwtSvidIncludeJti ?? false
}
