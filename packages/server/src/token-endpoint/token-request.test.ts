import { generateKeyPairSync } from 'node:crypto'
import { buildCsr } from '@mini-spire/runtime/x509/csr'
import { pemEncode } from '@mini-spire/sdk/x509'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseForm } from './read-form.ts'
import { readTokenRequest, tokenTypes } from './token-request.ts'

const csr = await buildCsr({ key: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey })
const csrPem = pemEncode('CERTIFICATE REQUEST', csr)

const good: Readonly<Record<string, string>> = {
  grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
  subject_token: 'a.b.c',
  subject_token_type: tokenTypes.jwt,
  audience: 'api',
}
const x509 = { requested_token_type: tokenTypes.x509Svid, audience: '', csr: csrPem }

function bodyOf(change: Readonly<Record<string, string>> = {}, more = ''): string {
  return `${new URLSearchParams({ ...good, ...change })}${more}`
}
const read = (change: Readonly<Record<string, string>> = {}, more = '') =>
  readTokenRequest(parseForm(bodyOf(change, more)))
const code = (name: string): unknown => expect.objectContaining({ code: name })

describe('a request', () => {
  it('is for a JWT-SVID unless it says otherwise', () => {
    const request = read()
    expect(request).toEqual({
      subjectToken: 'a.b.c',
      wanted: { kind: 'jwt-svid', audience: ['api'] },
      spiffeId: undefined,
      issuedTokenType: tokenTypes.jwt,
    })
  })

  it('may be for several audiences and resources, and for an access token', () => {
    const more = '&audience=b&resource=https%3A%2F%2Fc.test%2Fx'
    const request = read({ requested_token_type: tokenTypes.accessToken }, more)
    expect(request.wanted).toEqual({ kind: 'jwt-svid', audience: ['api', 'b', 'https://c.test/x'] })
    expect(request.issuedTokenType).toBe(tokenTypes.accessToken)
  })

  it('may name the SPIFFE ID it is for', () => {
    expect(String(read({ scope: 'spiffe://example.org/web' }).spiffeId)).toBe(
      'spiffe://example.org/web',
    )
  })

  it('may be for an X509-SVID, with a signing request in PEM', () => {
    expect(read(x509).wanted).toEqual({ kind: 'x509-svid', csr: Buffer.from(csr) })
    expect(read({ ...x509, csr: csrPem.replaceAll('\n', '\r\n') }).wanted.kind).toBe('x509-svid')
  })

  it('may say what nobody knows, and leave out what it sends empty [RFC 6749 3.2]', () => {
    expect(read({ client_id: 'x', whatever: 'y', scope: '', actor_token: '' })).toMatchObject({
      subjectToken: 'a.b.c',
    })
  })

  it.each<readonly [string, Readonly<Record<string, string>>, string]>([
    ['without a grant type', { grant_type: '' }, 'ERR_TOKEN_REQUEST_MALFORMED'],
    ['of another grant type', { grant_type: 'authorization_code' }, 'ERR_TOKEN_REQUEST_GRANT_TYPE'],
    ['without a token', { subject_token: '' }, 'ERR_TOKEN_REQUEST_MALFORMED'],
    ['without the type of its token', { subject_token_type: '' }, 'ERR_TOKEN_REQUEST_MALFORMED'],
    [
      'with a SAML assertion',
      { subject_token_type: 'urn:ietf:params:oauth:token-type:saml2' },
      'ERR_TOKEN_REQUEST_MALFORMED',
    ],
    [
      'with an access token',
      { subject_token_type: tokenTypes.accessToken },
      'ERR_TOKEN_REQUEST_MALFORMED',
    ],
    ['for somebody else', { actor_token: 'a.b.c' }, 'ERR_TOKEN_REQUEST_MALFORMED'],
    [
      'with the type of an actor only',
      { actor_token_type: tokenTypes.jwt },
      'ERR_TOKEN_REQUEST_MALFORMED',
    ],
    [
      'for a refresh token',
      { requested_token_type: 'urn:ietf:params:oauth:token-type:refresh_token' },
      'ERR_TOKEN_REQUEST_MALFORMED',
    ],
    ['without an audience', { audience: '' }, 'ERR_TOKEN_REQUEST_TARGET'],
    [
      'with an audience of two thousand characters',
      { audience: 'x'.repeat(2_000) },
      'ERR_TOKEN_REQUEST_TARGET',
    ],
    ['for a resource that is no URI', { resource: 'api' }, 'ERR_TOKEN_REQUEST_TARGET'],
    [
      'for a resource with a fragment',
      { resource: 'https://a.test/#x' },
      'ERR_TOKEN_REQUEST_TARGET',
    ],
    ['for a resource with a space', { resource: 'https://a.test/ x' }, 'ERR_TOKEN_REQUEST_TARGET'],
    [
      'for two SPIFFE IDs',
      { scope: 'spiffe://a.test/x spiffe://a.test/y' },
      'ERR_TOKEN_REQUEST_SCOPE',
    ],
    ['for a scope that is no SPIFFE ID', { scope: 'openid' }, 'ERR_TOKEN_REQUEST_SCOPE'],
    [
      'for an X509-SVID without a signing request',
      { ...x509, csr: '' },
      'ERR_TOKEN_REQUEST_MALFORMED',
    ],
    ['for an X509-SVID for an audience', { ...x509, audience: 'api' }, 'ERR_TOKEN_REQUEST_TARGET'],
    ['for a JWT-SVID with a signing request', { csr: csrPem }, 'ERR_TOKEN_REQUEST_MALFORMED'],
    ['with a signing request that is none', { ...x509, csr: 'x' }, 'ERR_TOKEN_REQUEST_MALFORMED'],
    ['with two signing requests', { ...x509, csr: csrPem + csrPem }, 'ERR_TOKEN_REQUEST_MALFORMED'],
    [
      'with a certificate as signing request',
      { ...x509, csr: pemEncode('CERTIFICATE', csr) },
      'ERR_TOKEN_REQUEST_MALFORMED',
    ],
    [
      'with a signing request that does not end',
      { ...x509, csr: csrPem.slice(0, 100) },
      'ERR_TOKEN_REQUEST_MALFORMED',
    ],
    [
      'with a signing request of twenty thousand characters',
      { ...x509, csr: csrPem.padStart(20_000) },
      'ERR_TOKEN_REQUEST_MALFORMED',
    ],
  ])('%s is refused [RFC 8693 2.1]', (_, change, name) => {
    expect(() => read(change)).toThrow(code(name))
  })

  it.each(Object.keys({ ...good, scope: '', csr: '', requested_token_type: '' }))(
    'with %s twice is refused, unless that may come twice [RFC 6749 3.2]',
    (name) => {
      const twice = () =>
        read({ [name]: good[name] ?? 'x' }, `&${name}=${encodeURIComponent(good[name] ?? 'x')}`)
      if (name === 'audience') expect(twice().wanted).toMatchObject({ audience: ['api', 'api'] })
      else expect(twice).toThrow(code('ERR_TOKEN_REQUEST_MALFORMED'))
    },
  )

  it('with a parameter twice that nobody knows is refused', () => {
    expect(() => read({}, '&x=1&x=2')).toThrow(code('ERR_TOKEN_REQUEST_MALFORMED'))
  })

  it('for seventeen audiences is refused', () => {
    expect(() => read({}, '&audience=x'.repeat(16))).toThrow(code('ERR_TOKEN_REQUEST_TARGET'))
  })
})

describe('a form', () => {
  it.each([
    'a',
    '=b',
    'a=%',
    'a=%zz',
    'a=%ff',
    'a=b\n',
    'a=b c',
    'a=ä',
    '&',
    'a=b&&c=d',
    '{"a":"b"}',
  ])('is none: %j', (body) => {
    expect(() => parseForm(body)).toThrow(code('ERR_TOKEN_REQUEST_MALFORMED'))
  })

  it('has 64 parameters at most', () => {
    const body = (count: number) =>
      Array.from({ length: count }, (_, index) => `a${index}=b`).join('&')
    expect(parseForm(body(64)).size).toBe(64)
    expect(() => parseForm(body(65))).toThrow(code('ERR_TOKEN_REQUEST_MALFORMED'))
  })

  it('is read as whoever encodes it by the standard means it', () => {
    const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 30 })
    const pairs = fc.array(fc.tuple(text, text), { maxLength: 20 })
    fc.assert(
      fc.property(pairs, (given) => {
        // What is half of a character cannot be encoded.
        const whole = given.filter(([name, value]) => !/\p{Surrogate}/u.test(name + value))
        const expected = new Map<string, string[]>()
        const body = new URLSearchParams()
        for (const [name, value] of whole) {
          expected.set(name, [...(expected.get(name) ?? []), value])
          body.append(name, value)
        }
        expect(parseForm(body.toString())).toEqual(expected)
      }),
    )
  })
})
