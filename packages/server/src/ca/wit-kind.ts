import type { TrustBundle } from '../model/trust-bundle.ts'
import type { AuthorityKind } from './authority-kind.ts'
import type { Journal } from './journal.ts'
import type { JwtKey } from './jwt-key.ts'
import { type TokenKeyOptions, tokenKeyKind } from './token-key-kind.ts'

/** Options of {@link witKind}. */
export interface WitKindOptions extends TokenKeyOptions {
  readonly journal: () => Journal
}

/** WIT authorities: published in the own bundle only, also below an upstream authority. */
export function witKind(options: WitKindOptions): AuthorityKind<JwtKey> {
  const { bundle, journal } = options
  const publishedIn = ({ witAuthorities = [] }: TrustBundle) => witAuthorities
  return tokenKeyKind(options, {
    name: 'wit_key',
    label: 'WIT',
    tokenType: 'wit+jwt',
    publish: async (authority, cause) =>
      publishedIn(await bundle.append({ wit: [authority] }, cause)),
    publishedIn,
    records: () => journal().witAuthorities,
    append: (record) => journal().appendWit(record),
    setStatus: (keyId, status) => journal().setWitStatus(keyId, status),
  })
}
