import type { SigningKey } from '@mini-spire/runtime/key-manager/key-manager'
import { parseCertificate } from '@mini-spire/sdk/x509'
import { AuthorityStatus, type CaJournal, type JwtAuthorityRecord } from '../model/authority.ts'
import type { ImportedAuthority } from './import-report.ts'

/** What an operator hears about the authorities of the source. */
export interface AuthorityCheck {
  readonly authorities: readonly ImportedAuthority[]
  readonly warnings: readonly string[]
}

/**
 * Looks whether the keys of the imported authorities are at hand, so that the server will go on signing with them.
 *
 * @param keys the key manager's keys; undefined when they cannot be seen from here
 */
export function checkAuthorities(
  journals: readonly CaJournal[],
  keys: readonly SigningKey[] | undefined,
  nowSeconds: number,
): AuthorityCheck {
  const hasKey = (publicKey: Uint8Array): boolean | undefined =>
    keys?.some((key) => Buffer.compare(key.publicKey, publicKey) === 0)
  const tokenAuthority = (type: 'jwt' | 'wit', record: JwtAuthorityRecord): ImportedAuthority => ({
    type,
    id: record.keyId,
    status: nameOf(record.status),
    expiresAtSeconds: record.notAfterSeconds,
    hasKey: hasKey(record.publicKey),
  })
  const authorities = journals
    .flatMap((journal): readonly ImportedAuthority[] => [
      ...journal.x509Authorities.map((record) => ({
        type: 'x509' as const,
        id: record.authorityId,
        status: nameOf(record.status),
        expiresAtSeconds: record.notAfterSeconds,
        hasKey: hasKey(parseCertificate(record.certificate).spki),
      })),
      ...journal.jwtAuthorities.map((record) => tokenAuthority('jwt', record)),
      ...(journal.witAuthorities ?? []).map((record) => tokenAuthority('wit', record)),
    ])
    .filter(({ status, expiresAtSeconds }) => status !== 'old' && expiresAtSeconds > nowSeconds)
  return { authorities, warnings: warningsOf(authorities, keys !== undefined) }
}

function warningsOf(authorities: readonly ImportedAuthority[], isVisible: boolean): string[] {
  if (!isVisible) return []
  const active = authorities.filter(({ type, status }) => type === 'x509' && status === 'active')
  if (active.some(({ hasKey }) => hasKey)) return []
  const what =
    active.length === 0
      ? 'no active X.509 authority was found'
      : 'the key manager has no key of an active X.509 authority'
  return [
    `${what}: the server will make a new authority, and agents have to get the new bundle before they trust it`,
  ]
}

function nameOf(status: AuthorityStatus): ImportedAuthority['status'] {
  switch (status) {
    case AuthorityStatus.Prepared:
      return 'prepared'
    case AuthorityStatus.Active:
      return 'active'
    case AuthorityStatus.Old:
      return 'old'
    case AuthorityStatus.Unknown:
      return 'unknown'
    default:
      return status satisfies never
  }
}
