import { messageOf } from '@mini-spire/sdk/errors'
import { type Certificate, parseCertificate } from '@mini-spire/sdk/x509'
import type { JwtAuthority, TrustBundle, X509Authority } from '../model/trust-bundle.ts'
import { OwnBundleError } from './bundle-error.ts'

/** Authorities to add to the bundle. Tainted marks are not taken over: what is added is untainted. */
export interface NewAuthorities {
  /** DER of one certificate each. */
  readonly x509?: readonly Uint8Array[]
  readonly jwt?: readonly Omit<JwtAuthority, 'tainted'>[]
  readonly wit?: readonly Omit<JwtAuthority, 'tainted'>[]
}

type Lists = Pick<TrustBundle, 'x509Authorities' | 'jwtAuthorities' | 'witAuthorities'>

/**
 * The lists with what is new at their ends; undefined when nothing is. What is in a list already is not added again, and a
 * tainted authority stays tainted.
 *
 * @throws {OwnBundleError} `ERR_BUNDLE_AUTHORITY_MALFORMED` for an element that is not exactly one certificate
 */
export function appended(lists: Lists, added: NewAuthorities): Lists | undefined {
  const x509Authorities = [...lists.x509Authorities]
  for (const certificate of added.x509 ?? []) {
    readCertificate(certificate)
    if (!x509Authorities.some((known) => isEqual(known.certificate, certificate)))
      x509Authorities.push({ certificate, tainted: false })
  }
  const jwtAuthorities = withKeys(lists.jwtAuthorities, added.jwt)
  const witAuthorities = withKeys(lists.witAuthorities, added.wit)
  const isChanged =
    x509Authorities.length > lists.x509Authorities.length ||
    jwtAuthorities.length > lists.jwtAuthorities.length ||
    witAuthorities.length > (lists.witAuthorities?.length ?? 0)
  return isChanged ? { x509Authorities, jwtAuthorities, ...unlessEmpty(witAuthorities) } : undefined
}

function withKeys(
  keys: readonly JwtAuthority[] = [],
  added: readonly Omit<JwtAuthority, 'tainted'>[] = [],
): readonly JwtAuthority[] {
  const all = [...keys]
  for (const key of added) {
    if (!all.some((known) => isSameKey(known, key))) all.push({ ...key, tainted: false })
  }
  return all
}

function unlessEmpty(witAuthorities: readonly JwtAuthority[]): Pick<TrustBundle, 'witAuthorities'> {
  return witAuthorities.length > 0 ? { witAuthorities } : {}
}

/** What of the lists expired at or before an instant. A JWT authority without expiry never does. */
export function expired(lists: Lists, expiredAtMs: number): Required<Lists> {
  const isOver = ({ expiresAtSeconds }: JwtAuthority): boolean =>
    expiresAtSeconds !== 0 && expiresAtSeconds * 1000 <= expiredAtMs
  return {
    x509Authorities: lists.x509Authorities.filter(
      ({ certificate }) => readCertificate(certificate).notAfter.getTime() <= expiredAtMs,
    ),
    jwtAuthorities: lists.jwtAuthorities.filter(isOver),
    witAuthorities: (lists.witAuthorities ?? []).filter(isOver),
  }
}

/**
 * The lists without what expired at or before an instant; undefined when nothing did.
 *
 * @throws {OwnBundleError} `ERR_BUNDLE_PRUNE_REFUSED` when no X.509 authority, or no JWT authority, would be left
 */
export function pruned(lists: Lists, expiredAtMs: number): Lists | undefined {
  const over = expired(lists, expiredAtMs)
  const x509Authorities = without(lists.x509Authorities, over.x509Authorities)
  const jwtAuthorities = without(lists.jwtAuthorities, over.jwtAuthorities)
  if (x509Authorities.length === 0) throw refused('would prune all certificates')
  if (lists.jwtAuthorities.length > 0 && jwtAuthorities.length === 0)
    throw refused('would prune all JWT signing keys')
  if (Object.values(over).every((list) => list.length === 0)) return undefined
  const { witAuthorities } = lists
  const wit = witAuthorities && without(witAuthorities, over.witAuthorities)
  return { x509Authorities, jwtAuthorities, ...(wit && { witAuthorities: wit }) }
}

function without<Item>(list: readonly Item[], gone: readonly Item[]): readonly Item[] {
  return list.filter((one) => !gone.includes(one))
}

/** The X.509 authority with this subject key identifier (lower-case hex), or undefined. */
export function findX509Authority(
  authorities: readonly X509Authority[],
  subjectKeyId: string,
): X509Authority | undefined {
  return authorities.find(({ certificate }) => {
    const { subjectKeyId: own } = readCertificate(certificate)
    return own !== undefined && Buffer.from(own).toString('hex') === subjectKeyId
  })
}

function readCertificate(der: Uint8Array): Certificate {
  try {
    return parseCertificate(der)
  } catch (error) {
    throw new OwnBundleError('ERR_BUNDLE_AUTHORITY_MALFORMED', messageOf(error), { cause: error })
  }
}

function isSameKey(a: Omit<JwtAuthority, 'tainted'>, b: Omit<JwtAuthority, 'tainted'>): boolean {
  return (
    a.keyId === b.keyId &&
    a.expiresAtSeconds === b.expiresAtSeconds &&
    isEqual(a.publicKey, b.publicKey)
  )
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}

function refused(message: string): OwnBundleError {
  return new OwnBundleError('ERR_BUNDLE_PRUNE_REFUSED', message)
}
