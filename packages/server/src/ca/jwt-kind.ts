import type { AuthorityKind } from './authority-kind.ts'
import type { Journal } from './journal.ts'
import type { JwtKey } from './jwt-key.ts'
import type { PublishJwtAuthority } from './jwt-publisher.ts'
import { type TokenKeyOptions, tokenKeyKind } from './token-key-kind.ts'

/** Options of {@link jwtKind}. */
export interface JwtKindOptions extends TokenKeyOptions {
  readonly publish: PublishJwtAuthority
  readonly journal: () => Journal
}

/** JWT authorities: published upstream where there is one. */
export function jwtKind(options: JwtKindOptions): AuthorityKind<JwtKey> {
  const { journal, publish } = options
  return tokenKeyKind(options, {
    name: 'jwt_key',
    label: 'JWT',
    tokenType: 'JWT',
    publish,
    publishedIn: ({ jwtAuthorities }) => jwtAuthorities,
    records: () => journal().jwtAuthorities,
    append: (record) => journal().appendJwt(record),
    setStatus: (keyId, status) => journal().setJwtStatus(keyId, status),
  })
}
