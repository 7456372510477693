/** Keys of a claim rule. */
export const claimFields = {
  equals: { type: 'string', optional: true, doc: 'the claim is exactly this' },
  one_of: { type: 'strings', doc: 'the claim is one of these' },
  prefix: { type: 'string', optional: true, doc: 'the claim begins with this; ends in / : @ or #' },
  glob: {
    type: 'string',
    optional: true,
    doc: 'the whole claim matches; * is anything but /, ** is anything',
  },
} as const

const plainIssuerFields = {
  issuer_url: { type: 'string', doc: 'iss of the tokens, byte for byte; an https URL' },
  audience: { type: 'strings', doc: 'tokens may be for these and nobody else' },
  jwks_url: { type: 'string', doc: 'where the keys are; default what the discovery document says' },
  jwks_file: { type: 'string', doc: 'file with the keys, instead' },
  ca_file: {
    type: 'string',
    doc: 'roots (PEM) of the issuer’s HTTPS; default those of the machine',
  },
  jwks_may_lead_to: {
    type: 'strings',
    doc: 'networks (CIDR) of ours that a discovery document may lead to; default none',
  },
  max_token_lifetime: { type: 'string', doc: 'from iat to exp, at most; default 1h' },
  max_token_age: { type: 'string', doc: 'since iat, at most; default no bound of its own' },
  selector_type: { type: 'string', doc: 'type of the selectors; default the issuer’s name' },
  selectors: { type: 'string-map', doc: 'selectors that are made: name = claim' },
} as const

/** Keys of an issuer. */
export const issuerFields: typeof plainIssuerFields & {
  readonly claim: {
    readonly type: 'section-map'
    readonly doc: string
    readonly fields: typeof claimFields
  }
} = {
  ...plainIssuerFields,
  claim: {
    type: 'section-map',
    doc: 'a claim that tokens must have, and what it must say; all must be met',
    fields: claimFields,
  },
}

const endpointFields = {
  address: { type: 'string', doc: 'IP address to listen on; default every interface' },
  port: { type: 'int', doc: 'port to listen on; required' },
  profile: { type: 'node', doc: 'https_web or https_spiffe, as for federation.bundle_endpoint' },
} as const

/** The `token_exchange` block: ours, SPIRE has none. */
export const tokenExchangeSchema: {
  readonly type: 'section'
  readonly optional: true
  readonly doc: string
  readonly fields: typeof endpointFields & {
    readonly issuer: {
      readonly type: 'section-map'
      readonly doc: string
      readonly fields: typeof issuerFields
    }
  }
} = {
  type: 'section',
  optional: true,
  doc: 'exchanges tokens of other issuers for SVIDs (RFC 8693); mini-spire only',
  fields: {
    ...endpointFields,
    issuer: {
      type: 'section-map',
      doc: 'an issuer whose tokens are taken; its name is the last part of its entries’ parent ID',
      fields: issuerFields,
    },
  },
}
