import { Bundle } from '@mini-spire/runtime/proto/spire/api/types/bundle'
import { JWTSVID } from '@mini-spire/runtime/proto/spire/api/types/jwtsvid'
import { describe, expect, it } from 'vitest'
import { bundleFromProto, jwtSvidFromProto } from './convert.ts'

const good = { token: 'a.b.c', issuedAt: 10n, expiresAt: 20n }

describe('what a server answers', () => {
  it.each([
    ['no SVID', undefined, 'JWTSVID response missing SVID'],
    ['no beginning', { ...good, issuedAt: 0n }, 'JWTSVID missing issued at'],
    ['no end', { ...good, expiresAt: 0n }, 'JWTSVID missing expires at'],
    ['an end before its beginning', { ...good, expiresAt: 9n }, 'issued after it has expired'],
  ])('is no token when it has %s', (_, says, reason) => {
    expect(() => jwtSvidFromProto(says && JWTSVID.fromPartial(says))).toThrow(
      expect.objectContaining({
        code: 'ERR_SERVER_ANSWER',
        message: expect.stringContaining(reason),
      }),
    )
  })

  it('is a token with its times', () => {
    expect(jwtSvidFromProto(JWTSVID.fromPartial(good))).toEqual({
      token: 'a.b.c',
      issuedAtSeconds: 10,
      expiresAtSeconds: 20,
    })
  })

  it.each(['', 'two words', 'spiffe://'])('is no bundle of the trust domain %j', (trustDomain) => {
    expect(() => bundleFromProto(Bundle.fromPartial({ trustDomain }))).toThrow(
      expect.objectContaining({
        code: 'ERR_SERVER_ANSWER',
        message: expect.stringMatching(/^failed to parse trust domain bundle: /),
      }),
    )
  })
})
