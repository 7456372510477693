import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import type { ExchangeErrorCode } from './exchange-error.ts'
import { publicJwk, publicPem, signToken, TokenMint } from './token-mint.test-kit.ts'

/** A token that must not be exchanged, whoever asks. */
export interface WrongToken {
  readonly title: string
  readonly code: ExchangeErrorCode
  /** @param now Unix seconds */
  readonly make: (mint: TokenMint, now: number) => string
}

const foreignKey: KeyObject = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey

const malformed = 'ERR_EXCHANGE_TOKEN_MALFORMED'
const issuer = 'ERR_EXCHANGE_TOKEN_ISSUER'
const key = 'ERR_EXCHANGE_TOKEN_KEY'
const signature = 'ERR_EXCHANGE_TOKEN_SIGNATURE'
const audience = 'ERR_EXCHANGE_TOKEN_AUDIENCE'
const times = 'ERR_EXCHANGE_TOKEN_TIMES'
const rules = 'ERR_EXCHANGE_TOKEN_RULES'

type Row = readonly [title: string, code: ExchangeErrorCode, make: WrongToken['make']]
type Change = (now: number, mint: TokenMint) => object
const claims = (title: string, code: ExchangeErrorCode, change: Change): Row => [
  title,
  code,
  (mint, now) => mint.token(now, change(now, mint)),
]
const header = (title: string, code: ExchangeErrorCode, change: object): Row => [
  title,
  code,
  (mint, now) => mint.token(now, {}, { header: change }),
]
/** A good token of which a part is written otherwise. */
const edited = (title: string, code: ExchangeErrorCode, edit: (token: string) => string): Row => [
  title,
  code,
  (mint, now) => edit(mint.token(now)),
]
/** A payload that is not made from an object. */
const payload = (title: string, code: ExchangeErrorCode, edit: (json: string) => string): Row => [
  title,
  code,
  (mint, now) => mint.token(now, {}, { payload: edit(JSON.stringify(mint.claims(now))) }),
]

const algorithms: readonly Row[] = [
  [
    'without a signature, as none',
    malformed,
    (mint, now) => `${mint.token(now, {}, { header: { alg: 'none' } }).replace(/[^.]*$/, '')}`,
  ],
  header('signed, as none', malformed, { alg: 'none' }),
  header('with an algorithm in other letters', malformed, { alg: 'rs256' }),
  header('with an algorithm that nobody has', malformed, { alg: 'RS1' }),
  header('with a list as algorithm', malformed, { alg: ['RS256'] }),
  [
    'with HS256 and the public key as secret',
    malformed,
    (mint, now) => {
      const head = JSON.stringify({ alg: 'HS256', kid: 'rsa' })
      return signToken(head, JSON.stringify(mint.claims(now)), 'HS256', publicPem(mint.rsa))
    },
  ],
  [
    'with HS256 and a symmetric key of the JWK set',
    malformed,
    (mint, now) => {
      const head = JSON.stringify({ alg: 'HS256', kid: 'symmetric' })
      return signToken(head, JSON.stringify(mint.claims(now)), 'HS256', 'secret')
    },
  ],
  header('that names the symmetric key', key, { kid: 'symmetric' }),
  header('with ES256 in the header and the RSA key', key, { alg: 'ES256' }),
  header('with RS256 in the header and the EC key', key, { kid: 'ec' }),
  [
    'with ES384 by a P-256 key',
    key,
    (mint, now) => mint.token(now, {}, { algorithm: 'ES384', key: mint.ec, header: { kid: 'ec' } }),
  ],
  header('with PS256 in the header and an RS256 signature', signature, { alg: 'PS256' }),
  header('with RS512 in the header and an RS256 signature', signature, { alg: 'RS512' }),
  [
    'by a key that is for encryption',
    key,
    (mint, now) => {
      return mint.token(
        now,
        {},
        { algorithm: 'ES256', key: mint.ec, header: { kid: 'for-encryption' } },
      )
    },
  ],
]

const keys: readonly Row[] = [
  ['by a foreign key', signature, (mint, now) => mint.token(now, {}, { key: foreignKey })],
  [
    'by a foreign key that it brings along',
    malformed,
    (mint, now) => mint.token(now, {}, { key: foreignKey, header: { jwk: publicJwk(foreignKey) } }),
  ],
  header('that says where its key is (jku)', malformed, { jku: 'https://evil.test/jwks' }),
  header('that says where its certificate is (x5u)', malformed, { x5u: 'https://evil.test/x5u' }),
  header('that brings a certificate along (x5c)', malformed, { x5c: ['MAo='] }),
  header('with a critical header', malformed, { crit: ['exp'], exp: 1 }),
  header('with an unencoded payload', malformed, { b64: false, crit: ['b64'] }),
  header('that is compressed', malformed, { zip: 'DEF' }),
  header('of another type', malformed, { typ: 'logout+jwt' }),
  header('with an unknown kid', key, { kid: 'unknown' }),
  header('with a kid in other letters', key, { kid: 'RSA' }),
  header('with a kid of JavaScript', key, { kid: '__proto__' }),
  header('without a kid', malformed, { kid: undefined }),
  header('with a number as kid', malformed, { kid: 1 }),
]

const issuers: readonly Row[] = [
  claims('of an issuer with a slash at its end', issuer, (_, { url }) => ({ iss: `${url}/` })),
  claims('of an issuer in capitals', issuer, (_, { url }) => ({ iss: url.toUpperCase() })),
  claims('of an issuer without scheme', issuer, (_, { url }) => ({ iss: url.slice(8) })),
  claims('of an issuer in the clear', issuer, (_, { url }) => ({
    iss: url.replace('https', 'http'),
  })),
  claims('of an issuer whose name goes on', issuer, (_, { url }) => ({ iss: `${url}.evil.test` })),
  claims('of an issuer with a port', issuer, (_, { url }) => ({ iss: `${url}:443` })),
  claims('of an issuer with a space before it', issuer, (_, { url }) => ({ iss: ` ${url}` })),
  claims('of an issuer of JavaScript', issuer, () => ({ iss: '__proto__' })),
  claims('of a list of issuers', malformed, (_, { url }) => ({ iss: [url] })),
  claims('of no issuer', malformed, () => ({ iss: undefined })),
  [
    'of another issuer with keys of the same name',
    signature,
    (mint, now) => new TokenMint(mint.url, foreignKey).token(now),
  ],
]

const audiences: readonly Row[] = [
  claims('for another audience', audience, () => ({ aud: 'other' })),
  claims('for an audience that begins the same', audience, () => ({ aud: 'spiffe-exchange-x' })),
  claims('for the beginning of the audience', audience, () => ({ aud: 'spiffe' })),
  claims('for the audience in capitals', audience, () => ({ aud: 'SPIFFE-EXCHANGE' })),
  claims('for the audience with a space', audience, () => ({ aud: 'spiffe-exchange ' })),
  claims('for the audience and another, in one text', audience, () => ({
    aud: 'spiffe-exchange other',
  })),
  claims('for the audience and another', audience, () => ({ aud: ['spiffe-exchange', 'other'] })),
  claims('for a list of others', audience, () => ({ aud: ['other', 'spiffe-exchangE'] })),
  claims('for the audience in a list in a list', audience, () => ({ aud: [['spiffe-exchange']] })),
  claims('for an object', audience, () => ({ aud: { 'spiffe-exchange': true } })),
  claims('for an empty list', audience, () => ({ aud: [] })),
  claims('for nobody', audience, () => ({ aud: '' })),
  claims('without audience', audience, () => ({ aud: undefined })),
  claims('with null as audience', audience, () => ({ aud: null })),
]

const clocks: readonly Row[] = [
  claims('without exp', times, () => ({ exp: undefined })),
  claims('with null as exp', times, () => ({ exp: null })),
  claims('with a text as exp', times, (now) => ({ exp: String(now + 600) })),
  claims('with a list as exp', times, (now) => ({ exp: [now + 600] })),
  payload('with an exp that is no finite number', malformed, (json) =>
    json.replace(/"exp":\d+/, '"exp":1e400'),
  ),
  claims('with an exp of another age', times, () => ({ exp: 9e15 })),
  claims('with an exp in milliseconds', times, (now) => ({ exp: (now + 600) * 1000 })),
  claims('with an exp below zero', times, () => ({ exp: -1 })),
  claims('with an exp of zero', times, () => ({ exp: 0 })),
  claims('with true as exp', times, () => ({ exp: true })),
  claims('that has expired', times, (now) => ({ iat: now - 700, nbf: now - 700, exp: now - 61 })),
  claims('that expired a minute ago', times, (now) => ({
    iat: now - 700,
    nbf: now - 700,
    exp: now - 60,
  })),
  claims('that lives for ever', times, (now) => ({ exp: now + 10 * 365 * 86_400 })),
  claims('that lives longer than allowed', times, (now) => ({ exp: now + 3_661 })),
  claims('that expires before it was issued', times, (now) => ({ iat: now + 30, exp: now + 20 })),
  claims('without iat', times, () => ({ iat: undefined })),
  claims('with a text as iat', times, (now) => ({ iat: String(now) })),
  claims('that was issued in the future', times, (now) => ({ iat: now + 120 })),
  claims('with a text as nbf', times, (now) => ({ nbf: String(now) })),
  claims('with null as nbf', times, () => ({ nbf: null })),
  claims('that is not valid yet', times, (now) => ({ nbf: now + 120 })),
]

const forms: readonly Row[] = [
  ['of nothing', malformed, () => '.'],
  ['of one part', malformed, () => 'token'],
  edited('of four parts', malformed, (token) => `${token}.`),
  edited('of five parts, as if it was encrypted', malformed, (token) => `${token}.a.b`),
  ['of dots', malformed, () => '.'.repeat(10_000)],
  ['of a hundred thousand characters', malformed, () => 'a'.repeat(100_000)],
  claims('of twenty thousand characters, well signed', malformed, () => ({
    more: 'x'.repeat(14_000),
  })),
  edited('with padding', malformed, (token) => `${token}=`),
  edited('with a space at its end', malformed, (token) => `${token} `),
  edited('with a line end at its end', malformed, (token) => `${token}\n`),
  edited('in the alphabet of plain base64', malformed, (token) =>
    token.replaceAll('-', '+').replaceAll('_', '/').concat('+'),
  ),
  edited('with other spare bits at its end', malformed, otherTail),
  edited('with a part that is empty', malformed, (token) => token.replace(/^[^.]*/, '')),
  edited('without a signature', malformed, (token) => token.replace(/[^.]*$/, '')),
  edited('with a signature that lacks a byte', signature, (token) => token.slice(0, -2)),
  edited('as an object of JSON', malformed, (token) => {
    const [protectedHeader = '', body = '', signed = ''] = token.split('.')
    return JSON.stringify({ protected: protectedHeader, payload: body, signature: signed })
  }),
  payload('whose claims are a list', malformed, (json) => `[${json}]`),
  payload('whose claims are no JSON', malformed, (json) => json.slice(0, -1)),
  payload('with something behind its claims', malformed, (json) => `${json}{}`),
  payload('with an issuer that comes twice', malformed, (json) =>
    json.replace('{', '{"iss":"https://evil.test",'),
  ),
  payload('with an audience that comes twice', malformed, (json) =>
    json.replace('{', '{"aud":"other",'),
  ),
  payload('with claims a thousand deep', malformed, (json) =>
    json.replace('{', `{"x":${'['.repeat(1000)}${']'.repeat(1000)},`),
  ),
  payload('with a byte order mark', malformed, (json) => `\uFEFF${json}`),
  [
    'with an algorithm that comes twice',
    malformed,
    (mint, now) => mint.token(now, {}, { head: '{"alg":"none","kid":"rsa","alg":"RS256"}' }),
  ],
  claims('with a number as jti', malformed, () => ({ jti: 1 })),
  claims('with an empty jti', malformed, () => ({ jti: '' })),
  claims('with a jti of two thousand characters', malformed, () => ({ jti: 'x'.repeat(2_000) })),
]

const ruled: readonly Row[] = [
  claims('without the claim of a rule', rules, () => ({ repository: undefined })),
  claims('with a claim that goes on', rules, () => ({ repository: 'octo/app-of-evil' })),
  claims('with a claim that begins earlier', rules, () => ({ repository: 'evil/octo/app' })),
  claims('with a claim in capitals', rules, () => ({ repository: 'Octo/app' })),
  claims('with a claim and a line behind it', rules, () => ({ repository: 'octo/app\n' })),
  claims('with an empty claim', rules, () => ({ repository: '' })),
  claims('with null as claim', rules, () => ({ repository: null })),
  claims('with an object as claim', rules, () => ({ repository: { name: 'octo/app' } })),
  claims('with a claim in a list in a list', rules, () => ({ repository: [['octo/app']] })),
  claims('with a claim of eight thousand characters', rules, () => ({
    repository: `octo/${'a'.repeat(8_000)}`,
  })),
]

/** Tokens that must not be exchanged where `repository` has to match `octo/app`, for an hour at most, by the audience `spiffe-exchange`. */
export const wrongTokens: readonly WrongToken[] = [
  ...algorithms,
  ...keys,
  ...issuers,
  ...audiences,
  ...clocks,
  ...forms,
  ...ruled,
].map(([title, code, make]) => ({ title, code, make }))

/** The last character of 256 bytes in base64url carries four spare bits. */
function otherTail(token: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const last = alphabet.indexOf(token.at(-1) ?? '')
  return `${token.slice(0, -1)}${alphabet[last ^ 1]}`
}
