import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { silentLogger } from '@mini-spire/runtime/log/logger'
import { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import { describe, expect, it } from 'vitest'
import { JwtSvids } from '../cache/jwt-svids.ts'
import type { AgentEntry } from '../model/agent-entry.ts'
import { RotationRule } from '../model/rotation.ts'
import { JwtSvidFetcher } from './fetch-jwt-svid.ts'

const entry: AgentEntry = {
  id: '1',
  spiffeId: SpiffeId.parse('spiffe://example.org/web'),
  selectors: [],
  federatesWith: [],
  admin: false,
  downstream: false,
  revisionNumber: 0,
  storeSvid: false,
  hint: '',
  createdAtSeconds: 0,
  disableX509SvidPrefetch: false,
}

function setUp() {
  const clock = new FakeClock()
  const timeouts: number[] = []
  const server = { isAway: false }
  const header = Buffer.from('{"kid":"k"}').toString('base64url')
  const svids = new JwtSvids({ maxSize: 10 })
  const fetcher = new JwtSvidFetcher({
    server: {
      newJwtSvid: (_, { timeoutMs }) => {
        timeouts.push(timeoutMs)
        if (server.isAway) return Promise.reject(new Error('away'))
        const issuedAtSeconds = clock.nowMs() / 1000
        const token = `${header}.${timeouts.length}.x`
        return Promise.resolve({ token, issuedAtSeconds, expiresAtSeconds: issuedAtSeconds + 100 })
      },
    },
    svids,
    rotation: new RotationRule({ availabilityTargetMs: undefined, chance: () => 0.5 }),
    cacheHitTimeoutMs: 7,
    signal: new AbortController().signal,
    clock,
    log: silentLogger,
  })
  return { clock, timeouts, server, svids, fetch: () => fetcher.fetch(entry, ['a']) }
}

describe('a JWT-SVID', () => {
  it('is asked for once, however many want it at once, and until half its life', async () => {
    const { fetch, clock, timeouts } = setUp()
    const first = await Promise.all([fetch(), fetch(), fetch()])
    clock.advance(49_000)
    expect(await fetch()).toBe(first[0])
    expect(timeouts).toEqual([30_000])
    clock.advance(2_000)
    expect(await fetch()).not.toBe(first[0])
    expect(timeouts).toEqual([30_000, 7])
  })

  it('that is old is given while the server is away, and not when it has expired', async () => {
    const { fetch, clock, server } = setUp()
    const first = await fetch()
    server.isAway = true
    clock.advance(99_000)
    expect(await fetch()).toBe(first)
    clock.advance(1_000)
    await expect(fetch()).rejects.toMatchObject({
      code: 'ERR_JWT_SVID_UNAVAILABLE',
      message: 'unable to renew JWT for "spiffe://example.org/web" (err=away)',
    })
  })

  it('that cannot be had at all fails with what the server said, and is asked for again', async () => {
    const { fetch, server, timeouts } = setUp()
    server.isAway = true
    await expect(fetch()).rejects.toThrow('away')
    server.isAway = false
    await fetch()
    expect(timeouts.length).toBe(2)
  })

  it('is kept with the key that signed it', async () => {
    const { fetch, svids } = setUp()
    await fetch()
    expect(svids.dropSignedBy(new Set(['k']))).toBe(1)
  })
})
