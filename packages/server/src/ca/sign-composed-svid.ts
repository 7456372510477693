import { stringifyGoJson } from '@mini-spire/runtime/go-json'
import { encodeName, parseName } from '@mini-spire/runtime/x509/name'
import type { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import { checkComposedClaims, checkComposedX509Svid } from './check-composed-svid.ts'
import type { CredentialComposers, SvidHolder } from './credential-composers.ts'
import type { JwtKey } from './jwt-key.ts'
import { claimsOf, type JwtSvidClaims, type SignedJwtSvid, signClaims } from './sign-jwt-svid.ts'
import { type SignedX509Svid, signX509Svid, type X509SvidFields } from './sign-x509-svid.ts'
import type { X509Ca } from './x509-ca.ts'

/** Whom a credential is for, and who may change what it says. */
export interface Composing {
  readonly composers: CredentialComposers
  readonly spiffeId: SpiffeId
}

/**
 * Signs an X509-SVID that composers may change, and checks what came out.
 *
 * @throws {CaError} `ERR_COMPOSER_FAILED`, `ERR_CERTIFICATE_INVALID`
 */
export async function signComposedX509Svid(
  ca: X509Ca,
  fields: X509SvidFields,
  { composers, spiffeId, holder }: Composing & { readonly holder: SvidHolder },
): Promise<SignedX509Svid> {
  const identity = { spiffeId, publicKey: fields.publicKey.spki }
  const { subject, dnsNames, extraExtensions } = await composers.x509Svid(holder, identity, {
    subject: parseName(fields.subject).name,
    dnsNames: fields.dnsNames,
    extraExtensions: [],
  })
  const composed = { ...fields, subject: encodeName(subject), dnsNames, extraExtensions }
  const signed = await signX509Svid(ca, composed)
  const [leaf] = signed.chain
  if (leaf) checkComposedX509Svid(leaf, { spiffeId: fields.spiffeId, nowMs: fields.nowMs })
  return signed
}

/**
 * Signs a JWT-SVID that composers may change, and checks what came out.
 *
 * @throws {CaError} `ERR_COMPOSER_FAILED`, `ERR_JWT_SVID_INVALID`
 */
export async function signComposedJwtSvid(
  jwtKey: JwtKey,
  claims: JwtSvidClaims,
  { composers, spiffeId }: Composing,
): Promise<SignedJwtSvid> {
  const plain = Object.entries(claimsOf(jwtKey, claims)).filter(([, value]) => value !== undefined)
  const composed = await composers.jwtSvid(spiffeId, Object.fromEntries(plain))
  checkComposedClaims(composed, { spiffeId: claims.spiffeId, nowMs: claims.nowMs })
  const token = await signClaims(jwtKey, stringifyGoJson(sorted(composed)))
  const { iat, exp } = composed
  return { token, issuedAtSeconds: secondsIn(iat), expiresAtSeconds: secondsIn(exp) }
}

function secondsIn(value: unknown): number {
  return typeof value === 'number' ? value : 0
}

/** Members in the order of their names at every depth, as Go writes maps. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(members.map(([name, member]) => [name, sorted(member)]))
}
