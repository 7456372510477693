import { CommandError } from '@mini-spire/runtime/cli/usage-error'
import { checkInt32, parseSelector, toInt64 } from '@mini-spire/runtime/cli/values'
import type {
  Entry,
  Entry_AdditionalAttributes,
} from '@mini-spire/runtime/proto/spire/api/types/entry'
import type { SPIFFEID } from '@mini-spire/runtime/proto/spire/api/types/spiffeid'
import type { EntryFlagValues } from './flags.ts'

/** What the two commands find out by themselves. */
export interface EntryIdentity {
  readonly id: string
  readonly spiffeId: SPIFFEID
  readonly parentId: SPIFFEID
  readonly additionalAttributes: Entry_AdditionalAttributes | undefined
}

/** Refuses lifetimes below zero. @throws {CommandError} */
export function checkTtls(flags: EntryFlagValues): void {
  if (flags.x509SVIDTTL < 0) throw new CommandError('a positive x509-SVID TTL is required')
  if (flags.jwtSVIDTTL < 0) throw new CommandError('a positive JWT-SVID TTL is required')
}

/** The entry that flags describe. @throws {CommandError} for a lifetime or selector that is none */
export function entryFromFlags(flags: EntryFlagValues, identity: EntryIdentity): Entry {
  const x509SvidTtl = checkInt32(flags.x509SVIDTTL, 'invalid value for X509 SVID TTL: ')
  const jwtSvidTtl = checkInt32(flags.jwtSVIDTTL, 'invalid value for JWT SVID TTL: ')
  return {
    ...identity,
    selectors: flags.selector.map(parseSelector),
    x509SvidTtl,
    jwtSvidTtl,
    federatesWith: [...flags.federatesWith],
    admin: flags.admin,
    downstream: flags.downstream,
    storeSvid: flags.storeSVID,
    expiresAt: toInt64(flags.entryExpiry),
    dnsNames: [...flags.dns],
    hint: flags.hint,
    revisionNumber: 0n,
    createdAt: 0n,
  }
}
