import { createPublicKey, hash } from 'node:crypto'
import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { jwtVerify } from 'jose'
import { describe, expect, it } from 'vitest'
import type { IssuerKeys } from './issuer-keys.ts'
import { readJwks } from './read-jwks.ts'
import type { TokenIssuer } from './token-issuer.ts'
import { TokenMint } from './token-mint.test-kit.ts'
import { TokenVerifier, type TrustedIssuer } from './verify-token.ts'
import { wrongTokens } from './wrong-tokens.test-kit.ts'

const clock = new FakeClock()
const now = clock.nowMs() / 1000
const mint = new TokenMint('https://issuer.test')

function keysOf(jwks: string): Pick<IssuerKeys, 'find'> {
  const keys = readJwks(jwks)
  return { find: async (keyId) => keys.get(keyId) }
}

function issuerWith(change: Partial<TrustedIssuer> = {}): TrustedIssuer {
  return {
    name: 'ci',
    url: mint.url,
    audiences: new Set(['spiffe-exchange', 'second']),
    maxLifetimeSeconds: 3600,
    maxAgeSeconds: undefined,
    rules: [
      {
        name: 'repository',
        path: ['repository'],
        match: { kind: 'one-of', values: new Set(['octo/app']) },
      },
    ],
    selectorType: 'ci',
    selectors: new Map(),
    keys: keysOf(mint.jwks()),
    ...change,
  }
}

const verifying = (token: string, issuer = issuerWith()) =>
  new TokenVerifier({ issuers: [issuer], clock }).verify(token, () => {})
const code = (name: string): unknown => expect.objectContaining({ code: name })

describe('a token of a trusted issuer', () => {
  it.each([
    ['RS256', 'rsa', mint.rsa],
    ['RS384', 'rsa', mint.rsa],
    ['RS512', 'rsa', mint.rsa],
    ['PS256', 'rsa', mint.rsa],
    ['PS384', 'rsa', mint.rsa],
    ['PS512', 'rsa', mint.rsa],
    ['ES256', 'ec', mint.ec],
    ['ES384', 'p384', mint.p384],
  ])('signed with %s is verified', async (algorithm, kid, key) => {
    const token = mint.token(now, { jti: 'x' }, { algorithm, key, header: { kid } })
    const { issuer, claims, expiresAtSeconds } = await verifying(token)
    expect(issuer.name).toBe('ci')
    expect(claims).toMatchObject({ repository: 'octo/app' })
    expect(expiresAtSeconds).toBe(now + 600)
    // The oracle agrees that this is a good token.
    await jwtVerify(token, createPublicKey(key), {
      currentDate: clock.now(),
      audience: 'spiffe-exchange',
    })
  })

  it.each([
    ['for several audiences, all of them ours', { aud: ['second', 'spiffe-exchange'] }],
    ['without nbf', { nbf: undefined }],
    ['that expired less than a minute ago', { iat: now - 600, nbf: now - 600, exp: now - 59 }],
    ['that will be valid in less than a minute', { iat: now + 59, nbf: now + 59 }],
    ['with times that are no whole seconds', { iat: now - 0.5, exp: now + 600.5 }],
    ['whose claim is a list with what is asked for', { repository: ['x', 'octo/app'] }],
  ])('%s is verified', async (_, change) => {
    await expect(verifying(mint.token(now, change))).resolves.toBeDefined()
  })

  it('is remembered by its jti, else by what was signed, and of one issuer only', async () => {
    const hashOf = (...parts: readonly string[]): string => hash('sha256', JSON.stringify(parts))
    const named = mint.token(now, { jti: 'one' })
    expect((await verifying(named)).tokenHash).toBe(hashOf('jti', mint.url, 'one'))
    const other = mint.token(now, { jti: 'one', extra: true })
    expect((await verifying(other)).tokenHash).toBe(hashOf('jti', mint.url, 'one'))
    const anonymous = mint.token(now, { jti: undefined })
    const signed = anonymous.slice(0, anonymous.lastIndexOf('.'))
    expect((await verifying(anonymous)).tokenHash).toBe(hashOf('token', mint.url, signed))
  })

  it('has one hash however its signature is written', async () => {
    const sign = () =>
      mint.token(
        now,
        { jti: undefined },
        { algorithm: 'ES256', key: mint.ec, header: { kid: 'ec' } },
      )
    const [first, second] = [sign(), sign()]
    expect(first).not.toBe(second)
    expect((await verifying(first)).tokenHash).toBe((await verifying(second)).tokenHash)
  })

  it('may be as old as its issuer’s tokens may be', async () => {
    const issuer = issuerWith({ maxAgeSeconds: 120 })
    const aged = (seconds: number) => mint.token(now, { iat: now - seconds, nbf: now - seconds })
    await expect(verifying(aged(180), issuer)).resolves.toBeDefined()
    await expect(verifying(aged(181), issuer)).rejects.toThrow(code('ERR_EXCHANGE_TOKEN_TIMES'))
  })

  it('tells its issuer as soon as that is known, true or not', async () => {
    const told: TokenIssuer[] = []
    const verifier = new TokenVerifier({ issuers: [issuerWith()], clock })
    const verified = verifier.verify(mint.token(now, { aud: 'x' }), (issuer) => told.push(issuer))
    await expect(verified).rejects.toThrow(code('ERR_EXCHANGE_TOKEN_AUDIENCE'))
    expect(told.map(({ name }) => name)).toEqual(['ci'])
  })
})

describe('a token', () => {
  it.each(wrongTokens)('$title is refused', async ({ code: expected, make }) => {
    const token = make(mint, now)
    const error: unknown = await verifying(token).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: expected })
    // Nothing of the token in what is said about it.
    const parts = token.split('.').filter((part) => part.length > 8)
    for (const part of parts) expect(String(error)).not.toContain(part)
  })

  it('whose characters are changed anywhere is refused', async () => {
    const token = mint.token(now, { jti: 'x' })
    for (let at = 0; at < token.length; at += 7) {
      const changed = `${token.slice(0, at)}${token[at] === 'A' ? 'B' : 'A'}${token.slice(at + 1)}`
      if (changed === token) continue
      const refused = { code: expect.stringMatching(/^ERR_EXCHANGE_TOKEN_/) }
      await expect(verifying(changed)).rejects.toMatchObject(refused)
    }
  })
})
