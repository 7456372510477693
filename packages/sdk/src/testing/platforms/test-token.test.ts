import { importJWK, jwtVerify } from 'jose'
import { describe, expect, it } from 'vitest'
import { makeToken, makeTokenIssuer, readToken, wrongTokens } from './test-token.ts'

const issuer = makeTokenIssuer('one')
const claims = { aud: 'here', sub: 'somebody' }
const expected = { audience: 'here', algorithms: ['RS256'], requiredClaims: ['exp'] }

/** The key by its ID, as readers of key sets look it up. */
const verify = (token: string) =>
  jwtVerify(
    token,
    async ({ kid }: { readonly kid?: string }) => {
      if (kid !== issuer.keyId) throw new Error(`no key ${kid}`)
      return await importJWK({ ...issuer.publicKey.export({ format: 'jwk' }), alg: 'RS256' })
    },
    expected,
  )

describe('a test token', () => {
  it('is one that others accept', async () => {
    const token = makeToken(issuer, claims)
    expect((await verify(token)).payload).toMatchObject(claims)
    expect(readToken(issuer, token)).toMatchObject(claims)
  })

  it.each(wrongTokens.filter((wrong) => wrong !== 'huge'))(
    'is refused by others: %s',
    async (wrong) => {
      await expect(verify(makeToken(issuer, claims, wrong))).rejects.toThrow()
    },
  )

  it('may be huge, and right otherwise', async () => {
    const token = makeToken(issuer, claims, 'huge')
    expect(token.length).toBeGreaterThan(1_000_000)
    await expect(verify(token)).resolves.toBeDefined()
  })

  it.each(wrongTokens.filter((wrong) => wrong !== 'other-audience' && wrong !== 'huge'))(
    'is not read by who issued it: %s',
    (wrong) => {
      expect(readToken(issuer, makeToken(issuer, claims, wrong))).toBeUndefined()
    },
  )
})
