import { createHmac, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto'
import { strangerKey } from './stranger-key.ts'

/** A token before it is signed. */
export interface TokenParts {
  readonly header: Readonly<Record<string, unknown>>
  readonly claims: Readonly<Record<string, unknown>>
}

/** Who signs tokens: an RSA key with a name. */
export interface TokenIssuer {
  readonly keyId: string
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

const hourSeconds = 3600
const hugeBytes = 1_000_000

/** Every way in which {@link makeToken} can go wrong. */
export const wrongTokens = [
  'expired',
  'not-valid-yet',
  'without-expiry',
  'other-audience',
  'other-key',
  'unknown-key-id',
  'without-key-id',
  'unsigned',
  'symmetric',
  'changed',
  'cut',
  'garbage',
  'huge',
] as const

/** What can be wrong with a token. */
export type WrongToken = (typeof wrongTokens)[number]

/** Makes an issuer with a new key. */
export function makeTokenIssuer(keyId: string): TokenIssuer {
  return { keyId, ...generateKeyPairSync('rsa', { modulusLength: 2048 }) }
}

/** Makes a JWT, RS256, valid for an hour unless the claims say otherwise; or one with exactly one thing wrong. */
export function makeToken(
  issuer: TokenIssuer,
  claims: Readonly<Record<string, unknown>>,
  wrong?: WrongToken,
): string {
  const now = Math.trunc(Date.now() / 1000)
  const parts: TokenParts = {
    header: { alg: 'RS256', kid: issuer.keyId, typ: 'JWT' },
    claims: { iat: now, nbf: now, exp: now + hourSeconds, ...claims },
  }
  const rs256 = (signed: string): Buffer => sign('sha256', Buffer.from(signed), issuer.privateKey)
  switch (wrong) {
    case undefined:
      return assemble(parts, rs256)
    case 'expired':
      return assemble(withClaims(parts, shifted(now, -2 * hourSeconds)), rs256)
    case 'not-valid-yet':
      return assemble(withClaims(parts, shifted(now, 2 * hourSeconds)), rs256)
    case 'without-expiry':
      return assemble(withClaims(parts, { exp: undefined }), rs256)
    case 'other-audience':
      return assemble(withClaims(parts, { aud: 'https://other.test' }), rs256)
    case 'other-key':
      return assemble(parts, (signed) => sign('sha256', Buffer.from(signed), strangerKey()))
    case 'unknown-key-id':
      return assemble(withHeader(parts, { kid: 'unknown' }), rs256)
    case 'without-key-id':
      return assemble(withHeader(parts, { kid: undefined }), rs256)
    case 'unsigned':
      return assemble(withHeader(parts, { alg: 'none' }), () => Buffer.alloc(0))
    case 'symmetric': {
      const secret = issuer.publicKey.export({ type: 'spki', format: 'pem' })
      const hmac = (signed: string): Buffer => createHmac('sha256', secret).update(signed).digest()
      return assemble(withHeader(parts, { alg: 'HS256' }), hmac)
    }
    case 'changed': {
      const [header, , signature] = assemble(parts, rs256).split('.')
      return `${header}.${encode({ ...parts.claims, jti: 'changed' })}.${signature}`
    }
    case 'cut':
      return assemble(parts, rs256).slice(0, -8)
    case 'garbage':
      return 'no token at all'
    case 'huge':
      return assemble(withClaims(parts, { padding: 'x'.repeat(hugeBytes) }), rs256)
  }
}

/** The claims of a token that this issuer signed and that is valid now; of any other, undefined. */
export function readToken(issuer: TokenIssuer, token: string): object | undefined {
  const [header = '', claims = '', signature = ''] = token.split('.')
  const { alg, kid } = decode(header)
  if (alg !== 'RS256' || kid !== issuer.keyId) return undefined
  const signed = Buffer.from(`${header}.${claims}`)
  const bytes = Buffer.from(signature, 'base64url')
  if (!verify('sha256', signed, issuer.publicKey, bytes)) return undefined
  const found = decode(claims)
  const now = Date.now() / 1000
  const { nbf, exp } = found
  return Number(nbf) <= now && now < Number(exp) ? found : undefined
}

function assemble({ header, claims }: TokenParts, signer: (signed: string) => Buffer): string {
  const signed = `${encode(header)}.${encode(claims)}`
  return `${signed}.${signer(signed).toString('base64url')}`
}

function withClaims(parts: TokenParts, change: TokenParts['claims']): TokenParts {
  return { ...parts, claims: { ...parts.claims, ...change } }
}

function withHeader(parts: TokenParts, change: TokenParts['header']): TokenParts {
  return { ...parts, header: { ...parts.header, ...change } }
}

function shifted(now: number, seconds: number): TokenParts['claims'] {
  return { iat: now + seconds, nbf: now + seconds, exp: now + seconds + hourSeconds }
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

function decode(part: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString()) ?? {}
  } catch {
    return {}
  }
}
