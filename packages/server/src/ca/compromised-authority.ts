import type { SlotState } from './authority-slot.ts'
import type { AuthorityStates } from './authority-states.ts'
import { CaError } from './ca-error.ts'

/**
 * The authority that an operator wants to taint: it must be the old one, so that nothing it signs comes after.
 *
 * @throws {CaError} `ERR_AUTHORITY_ID_MISSING`, `ERR_AUTHORITY_CURRENT`, `ERR_AUTHORITY_UNEXPECTED`, `ERR_AUTHORITY_NOT_OLD`
 */
export function checkTaintable(states: AuthorityStates, authorityId: string): SlotState {
  const { active, prepared, old } = states
  if (authorityId === '') throw idMissing()
  if (authorityId === active?.authorityId)
    throw new CaError('ERR_AUTHORITY_CURRENT', 'unable to taint current local authority')
  if (authorityId === prepared?.authorityId)
    throw new CaError('ERR_AUTHORITY_NOT_OLD', 'only Old local authorities can be tainted', {
      cause: unsupportedStatus('PREPARED'),
    })
  if (!old || authorityId !== old.authorityId) throw unexpected()
  return old
}

/**
 * Refuses to revoke an X.509 authority other than the old one.
 *
 * @throws {CaError} `ERR_AUTHORITY_ID_MISSING`, `ERR_AUTHORITY_CURRENT`, `ERR_AUTHORITY_NOT_OLD`
 */
export function checkRevocableX509({ active, old }: AuthorityStates, authorityId: string): void {
  if (authorityId === '') throw idMissing()
  if (authorityId === active?.authorityId) throw current()
  if (authorityId !== old?.authorityId)
    throw new CaError('ERR_AUTHORITY_NOT_OLD', 'only Old local authority can be revoked')
}

/**
 * Refuses to revoke a JWT authority that signs, or is about to, and one that is nowhere. Those older than the old one can be
 * revoked: the bundle knows them.
 *
 * @param publishedKeyIds the key IDs of the own bundle
 * @throws {CaError} `ERR_AUTHORITY_ID_MISSING`, `ERR_AUTHORITY_NOT_OLD`, `ERR_AUTHORITY_CURRENT`, `ERR_AUTHORITY_UNKNOWN`
 */
export function checkRevocableJwt(
  { active, prepared, old }: AuthorityStates,
  authorityId: string,
  publishedKeyIds: readonly string[],
): void {
  if (authorityId === '') throw idMissing()
  if (authorityId === prepared?.authorityId)
    throw new CaError('ERR_AUTHORITY_NOT_OLD', 'unable to use a prepared key')
  if (authorityId === active?.authorityId) throw current()
  if (authorityId !== old?.authorityId && !publishedKeyIds.includes(authorityId))
    throw new CaError('ERR_AUTHORITY_UNKNOWN', 'no JWT authority found with provided authority ID')
}

/**
 * Refuses to taint or revoke an upstream authority other than the one that signed the old local authority.
 *
 * @param subjectKeyId lower-case hex
 * @throws {CaError} `ERR_AUTHORITY_ID_MISSING`, `ERR_AUTHORITY_CURRENT`, `ERR_AUTHORITY_UNEXPECTED`, `ERR_AUTHORITY_NOT_OLD`
 */
export function checkUpstream(states: AuthorityStates, subjectKeyId: string): void {
  const { active, prepared, old } = states
  if (subjectKeyId === '')
    throw new CaError('ERR_AUTHORITY_ID_MISSING', 'no subject key ID provided')
  if (subjectKeyId === active?.upstreamAuthorityId)
    throw new CaError(
      'ERR_AUTHORITY_CURRENT',
      // Misspelled as operators' scripts know it.
      'unable to use upstream authority singing current authority',
    )
  if (subjectKeyId === prepared?.upstreamAuthorityId)
    throw new CaError(
      'ERR_AUTHORITY_NOT_OLD',
      'only upstream authorities signing an old authority can be used',
    )
  if (subjectKeyId !== old?.upstreamAuthorityId)
    throw new CaError(
      'ERR_AUTHORITY_UNEXPECTED',
      "upstream authority didn't sign the old local authority",
    )
}

/**
 * Refuses to activate anything but the prepared authority.
 *
 * @throws {CaError} `ERR_AUTHORITY_ID_MISSING`, `ERR_AUTHORITY_UNEXPECTED`, `ERR_AUTHORITY_STATUS`
 */
export function checkActivatable({ prepared, old }: AuthorityStates, authorityId: string): void {
  if (authorityId === '') throw idMissing()
  if (authorityId === old?.authorityId)
    throw new CaError('ERR_AUTHORITY_STATUS', 'only Prepared authorities can be activated', {
      cause: unsupportedStatus('OLD'),
    })
  if (authorityId !== prepared?.authorityId) throw unexpected()
}

function idMissing(): CaError {
  return new CaError('ERR_AUTHORITY_ID_MISSING', 'no authority ID provided')
}

function current(): CaError {
  return new CaError('ERR_AUTHORITY_CURRENT', 'unable to use current authority')
}

function unexpected(): CaError {
  return new CaError('ERR_AUTHORITY_UNEXPECTED', 'unexpected authority ID')
}

function unsupportedStatus(status: 'OLD' | 'PREPARED'): CaError {
  return new CaError('ERR_AUTHORITY_STATUS', `unsupported local authority status: ${status}`)
}
