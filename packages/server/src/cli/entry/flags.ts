/** Flags that `entry create` and `entry update` share. */
export const entryFlags = {
  parentID: { type: 'string', usage: "The SPIFFE ID of this record's parent" },
  spiffeID: { type: 'string', usage: 'The SPIFFE ID that this record represents' },
  x509SVIDTTL: {
    type: 'int',
    usage: 'The lifetime, in seconds, for x509-SVIDs issued based on this registration entry.',
  },
  jwtSVIDTTL: {
    type: 'int',
    usage: 'The lifetime, in seconds, for JWT-SVIDs issued based on this registration entry.',
  },
  data: {
    type: 'string',
    usage:
      "Path to a file containing registration JSON (optional). If set to '-', read the JSON from stdin.",
  },
  selector: {
    type: 'strings',
    usage: 'A colon-delimited type:value selector. Can be used more than once',
  },
  federatesWith: {
    type: 'strings',
    usage: 'SPIFFE ID of a trust domain to federate with. Can be used more than once',
  },
  admin: {
    type: 'bool',
    usage:
      "If set, the SPIFFE ID in this entry will be granted access to the SPIRE Server's management APIs",
  },
  downstream: {
    type: 'bool',
    usage:
      'A boolean value that, when set, indicates that the entry describes a downstream SPIRE server',
  },
  storeSVID: {
    type: 'bool',
    usage:
      'A boolean value that, when set, indicates that the resulting issued SVID from this entry must be stored through an SVIDStore plugin',
  },
  entryExpiry: {
    type: 'int',
    usage: 'An expiry, from epoch in seconds, for the resulting registration entry to be pruned',
  },
  dns: {
    type: 'strings',
    usage:
      'A DNS name that will be included in SVIDs issued based on this entry, where appropriate. Can be used more than once',
  },
  hint: {
    type: 'string',
    usage: 'The entry hint, used to disambiguate entries with the same SPIFFE ID',
  },
  disableX509SVIDPrefetch: {
    type: 'bool',
    usage: 'A boolean value that, when set, disables prefetching X509 SVID for this entry',
  },
  jwtSVIDIncludeJTI: {
    type: 'bool',
    usage:
      "A boolean value that, when set, includes a unique 'jti' claim in JWT-SVIDs issued for this entry and bypasses the agent JWT-SVID cache",
  },
} as const

/** The values of those flags. */
export interface EntryFlagValues {
  readonly parentID: string
  readonly spiffeID: string
  readonly x509SVIDTTL: number
  readonly jwtSVIDTTL: number
  readonly data: string
  readonly selector: readonly string[]
  readonly federatesWith: readonly string[]
  readonly admin: boolean
  readonly downstream: boolean
  readonly storeSVID: boolean
  readonly entryExpiry: number
  readonly dns: readonly string[]
  readonly hint: string
}
