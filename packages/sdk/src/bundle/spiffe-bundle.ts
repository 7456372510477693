import type { TrustDomain } from '../spiffe-id/index.ts'
import { type Certificate, parseCertificate } from '../x509/index.ts'
import { BundleError } from './bundle-error.ts'
import type { JwtBundleSource, X509BundleSource } from './bundle-source.ts'
import { type PrintedJwk, printJwkSet } from './jwk.ts'
import {
  findJwtAuthority,
  type JwtAuthority,
  JwtBundle,
  jwksOf,
  maxJwkSetCharacters,
} from './jwt-bundle.ts'
import { type JsonObject, type JsonValue, parseStrictJson } from './strict-json.ts'
import { X509Bundle } from './x509-bundle.ts'

/** What a {@link SpiffeBundle} is made of. */
export interface SpiffeBundleParts {
  readonly x509Authorities: readonly Certificate[]
  readonly jwtAuthorities: readonly JwtAuthority[]
  /** Grows with every change; undefined when the publisher does not count. */
  readonly sequenceNumber?: bigint | undefined
  /** How often to look for a new one; undefined when the publisher does not say. */
  readonly refreshHintSeconds?: number | undefined
}

/** How {@link SpiffeBundle.parse} treats what the standard says to ignore. */
export interface ParseSpiffeBundleOptions {
  /**
   * `ignore` entries that are not understood, as the standard says, or `refuse` the bundle, as SPIRE does where an operator hands it one.
   *
   * @default 'ignore'
   */
  readonly unknownEntries?: 'ignore' | 'refuse'
}

const uses: ReadonlySet<unknown> = new Set(['x509-svid', 'jwt-svid', 'wit-svid'])

/** Everything that vouches for SVIDs of one trust domain [SPIFFE Trust Domain and Bundle 4]. A value: it never changes. */
export class SpiffeBundle implements X509BundleSource, JwtBundleSource {
  readonly trustDomain: TrustDomain
  readonly x509: X509Bundle
  readonly jwt: JwtBundle
  readonly sequenceNumber: bigint | undefined
  readonly refreshHintSeconds: number | undefined

  /** @throws {BundleError} `ERR_BUNDLE_MALFORMED` for a JWT authority without ID, or one ID that names two keys */
  constructor(trustDomain: TrustDomain, parts: SpiffeBundleParts) {
    this.trustDomain = trustDomain
    this.x509 = new X509Bundle(trustDomain, parts.x509Authorities)
    this.jwt = new JwtBundle(trustDomain, parts.jwtAuthorities)
    this.sequenceNumber = parts.sequenceNumber
    this.refreshHintSeconds = parts.refreshHintSeconds
  }

  /**
   * Reads the JSON form. An empty `keys` is a bundle that trusts nothing; a missing one is an error. A member that comes twice
   * is refused, so that nobody reads another bundle than we do.
   *
   * @throws {BundleError} `ERR_BUNDLE_MALFORMED`, `ERR_JSON_MALFORMED`; {@link X509Error} for a certificate that is none
   */
  static parse(
    trustDomain: TrustDomain,
    text: string,
    options: ParseSpiffeBundleOptions = {},
  ): SpiffeBundle {
    const document = parseStrictJson(text, {
      maxCharacters: maxJwkSetCharacters,
      hasBigIntegers: true,
    })
    const isStrict = options.unknownEntries === 'refuse'
    const x509Authorities: Certificate[] = []
    const jwtAuthorities: JwtAuthority[] = []
    for (const [index, jwk] of jwksOf(document).entries()) {
      if (isStrict) checkEntry(jwk, index)
      if (jwk['use'] === 'x509-svid') {
        const der = findCertificate(jwk, index)
        if (der) x509Authorities.push(parseCertificate(der))
      } else if (jwk['use'] === 'jwt-svid') {
        const authority = findJwtAuthority(jwk, `authority ${index} of JWKS`)
        if (authority) jwtAuthorities.push(authority)
        else if (isStrict) throw malformed(`unsupported key type in jwt-svid entry ${index}`)
      }
    }
    return new SpiffeBundle(trustDomain, {
      x509Authorities,
      jwtAuthorities,
      sequenceNumber: readSequence(document['spiffe_sequence']),
      refreshHintSeconds: readHint(document['spiffe_refresh_hint']),
    })
  }

  /** The JSON form, byte for byte as SPIRE's bundle endpoint prints it: X.509 authorities first, then JWT authorities. */
  marshal(): string {
    const keys: PrintedJwk[] = [
      ...this.x509.authorities.map((certificate) => ({
        use: 'x509-svid',
        publicKey: certificate.publicKey,
        certificate,
      })),
      ...this.jwt.authorities.map(({ keyId, publicKey }) => ({
        use: 'jwt-svid',
        kid: keyId,
        publicKey,
      })),
    ]
    return printJwkSet(keys, {
      ...(this.sequenceNumber !== undefined && { sequenceNumber: this.sequenceNumber }),
      ...(this.refreshHintSeconds !== undefined && { refreshHintSeconds: this.refreshHintSeconds }),
    })
  }

  findX509Bundle(trustDomain: TrustDomain): X509Bundle | undefined {
    return this.x509.findX509Bundle(trustDomain)
  }

  findJwtBundle(trustDomain: TrustDomain): JwtBundle | undefined {
    return this.jwt.findJwtBundle(trustDomain)
  }

  /** Whether the other says the same, in whatever order. */
  equals(other: SpiffeBundle): boolean {
    return (
      this.x509.equals(other.x509) &&
      this.jwt.equals(other.jwt) &&
      this.sequenceNumber === other.sequenceNumber &&
      this.refreshHintSeconds === other.refreshHintSeconds
    )
  }
}

/** SPIRE's rules for a bundle that an operator hands it, with its texts. */
function checkEntry(jwk: JsonObject, index: number): void {
  const use = jwk['use']
  if (use === undefined || use === '') throw malformed(`missing use for key entry ${index}`)
  if (!uses.has(use))
    throw malformed(`unrecognized use ${JSON.stringify(use)} for key entry ${index}`)
  if (use === 'x509-svid') {
    const count = Array.isArray(jwk['x5c']) ? jwk['x5c'].length : 0
    if (count !== 1)
      throw malformed(`expected a single certificate in x509-svid entry ${index}; got ${count}`)
  } else if (typeof jwk['kid'] !== 'string' || jwk['kid'] === '') {
    throw malformed(`missing key ID in ${use} entry ${index}`)
  }
}

/** The first value of `x5c`; an entry without one is ignored [X509-SVID 6.2]. */
function findCertificate(jwk: JsonObject, index: number): Buffer | undefined {
  const [first] = Array.isArray(jwk['x5c']) ? (jwk['x5c'] as readonly JsonValue[]) : []
  if (first === undefined) return undefined
  const der = typeof first === 'string' ? Buffer.from(first, 'base64') : Buffer.alloc(0)
  if (der.length === 0 || der.toString('base64') !== first)
    throw malformed(`x509-svid entry ${index}: x5c is not base64`)
  return der
}

/** Publishers that do not count may say so with null, as some JSON writers do. */
function readSequence(value: JsonValue | undefined): bigint | undefined {
  if (value === undefined || value === null) return undefined
  const sequence = typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : value
  if (typeof sequence !== 'bigint' || sequence < 0n || sequence >= 2n ** 64n)
    throw malformed('spiffe_sequence is not an unsigned integer')
  return sequence
}

function readHint(value: JsonValue | undefined): number | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw malformed('spiffe_refresh_hint is not a number of seconds')
  return value
}

function malformed(message: string): BundleError {
  return new BundleError('ERR_BUNDLE_MALFORMED', message)
}
