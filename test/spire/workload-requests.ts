import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import type { Chance } from './chance.ts'

/** A key that tokens are signed with. */
export interface TokenKey {
  readonly keyId: string
  readonly key: KeyObject
}

/** One request to the Workload API. */
export type WorkloadRequest = { readonly metadata: Readonly<Record<string, string>> } & (
  | {
      readonly kind: 'validate'
      readonly audience: string
      readonly svid: string
      readonly of: unknown
    }
  | { readonly kind: 'jwt'; readonly audience: string[]; readonly spiffeId: string }
  | { readonly kind: 'x509' | 'bundles' | 'jwtBundles' | 'wit' | 'witBundles' }
)

const ids = ['/one', '/two', '/three', '/admin', '/nobody', '', '/a/../b', '/a b', '/spire/server']
const spiffeIds = [
  '',
  ...ids.map((path) => `spiffe://example.org${path}`),
  'spiffe://other.org/x',
  'spiffe://UPPER.org/x',
  'https://example.org/x',
  'nothing',
]
const audiences = ['a', 'b', 'spiffe://example.org/x', '', 'ä', ' ', 'a,b', '"', '\\', '<&>', '\n']
const algorithms = [
  'ES256',
  'ES384',
  'ES512',
  'RS256',
  'PS256',
  'HS256',
  'none',
  'EdDSA',
  '',
  'es256',
  null,
]
const times = [0, 1, -1, 1.5, 'now', '60', null, true, 1e12, [], {}, undefined]
const subjects = [...spiffeIds, 1, null, undefined, [], ['spiffe://example.org/one'], {}]

/** Makes requests to a Workload API: tokens good and bad, audiences, headers. */
export function workloadRequests(
  chance: Chance,
  own: TokenKey,
  foreign: TokenKey,
): () => WorkloadRequest {
  const stranger = {
    keyId: own.keyId,
    key: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
  }
  const unknown = { ...stranger, keyId: 'x' }
  const metadata = (): Record<string, string> =>
    chance.happens(0.95)
      ? { 'workload.spiffe.io': 'true' }
      : chance.of<Record<string, string>>([
          {},
          { 'workload.spiffe.io': 'True' },
          { 'workload.spiffe.io': '' },
          { 'workload.spiffe.io': 'true,true' },
          { 'x-workload.spiffe.io': 'true' },
        ])
  const makeToken = (): { readonly svid: string; readonly of: unknown } => {
    const key = chance.happens(0.8)
      ? chance.of([own, own, own, foreign])
      : chance.of([stranger, unknown])
    const header = makeHeader(chance, key)
    const claims = makeClaims(chance, key === foreign ? 'other.org' : 'example.org')
    const text = (value: unknown): string =>
      Buffer.from(JSON.stringify(value)).toString('base64url')
    const signed = `${text(header)}.${text(claims)}`
    const signature = sign('sha256', Buffer.from(signed), {
      key: key.key,
      dsaEncoding: 'ieee-p1363',
    })
    const svid = spoil(chance, `${signed}.${signature.toString('base64url')}`)
    return { svid, of: { header, claims } }
  }
  return () => {
    const kind = chance.happens(0.75)
      ? 'validate'
      : chance.happens(0.7)
        ? 'jwt'
        : chance.of(['x509', 'bundles', 'jwtBundles', 'wit', 'witBundles'] as const)
    if (kind === 'validate')
      return {
        kind,
        metadata: metadata(),
        audience: chance.happens(0.8) ? 'a' : chance.of(audiences),
        ...makeToken(),
      }
    if (kind === 'jwt')
      return {
        kind,
        metadata: metadata(),
        audience: chance.some(() => chance.of(audiences), 3),
        spiffeId: chance.of(spiffeIds),
      }
    return { kind, metadata: metadata() }
  }
}

function makeHeader(chance: Chance, key: TokenKey): Record<string, unknown> {
  const header: Record<string, unknown> = { alg: 'ES256', kid: key.keyId, typ: 'JWT' }
  const change = (share: number, name: string, values: readonly unknown[]): void => {
    if (chance.happens(share)) header[name] = chance.of(values.map((value) => ({ value }))).value
  }
  change(0.06, 'alg', algorithms)
  change(0.05, 'kid', ['', undefined, null, 'y', 'ä'])
  change(0.1, 'typ', [undefined, 'JOSE', 'jwt', 'wit+jwt', 1, null, ''])
  change(0.03, 'crit', [['exp']])
  change(0.02, 'x5c', [[], null])
  change(0.02, 'nonce', ['n', null])
  change(0.02, 'cty', ['JWT', 1, null])
  change(0.02, 'foo', [1, { a: [1] }, null])
  return header
}

function makeClaims(chance: Chance, trustDomain: string): Record<string, unknown> {
  const now = Math.floor(Date.now() / 1000)
  const claims: Record<string, unknown> = {
    sub: `spiffe://${trustDomain}/one`,
    aud: ['a'],
    exp: now + 600,
    iat: now,
  }
  const change = (share: number, name: string, values: readonly unknown[]): void => {
    if (chance.happens(share)) claims[name] = chance.of(values.map((value) => ({ value }))).value
  }
  const near = [now - 30, now + 30, now - 90, now + 90, now + 600.25, now - 600, now + 1e9]
  change(0.08, 'sub', subjects)
  change(0.12, 'aud', [
    'a',
    'b',
    [],
    ['b'],
    ['a', 'a'],
    ['b', 'a'],
    '',
    [''],
    1,
    [1],
    null,
    undefined,
    {},
    ['a', 1],
    ['b', 'ä"'],
  ])
  change(0.1, 'exp', [...times, ...near])
  change(0.1, 'iat', [...times, ...near])
  change(0.1, 'nbf', [...times, ...near])
  change(0.05, 'iss', ['me', 1, null, '', {}])
  change(0.05, 'jti', ['id', 1, null])
  change(0.2, 'seen', [
    1,
    1.5,
    -0,
    1e21,

    2 ** 63,
    'text',
    null,
    true,
    [1, 'a', null, {}],
    { a: { b: [] } },
    '\u0000',
    'ä',
  ])
  change(0.05, '__proto__', [1])
  change(0.05, '', ['empty'])
  return claims
}

function spoil(chance: Chance, token: string): string {
  if (chance.happens(0.94)) return token
  const at = Math.floor(chance.draw() * token.length)
  return chance.of([
    '',
    '.',
    '...',
    token.slice(0, token.lastIndexOf('.')),
    token.slice(0, -2),
    `${token}.`,
    `${token}=`,
    `${token}\n`,
    ` ${token}`,
    `${token.slice(0, at)}!${token.slice(at)}`,
    `${token.slice(0, -20)}AAAA${token.slice(-16)}`,
    token.replace(/\.[^.]*$/, '.'),
    '{"payload":"e30","signatures":[]}',
  ])
}
