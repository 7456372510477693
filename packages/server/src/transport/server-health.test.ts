import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { HealthChecks } from '@mini-spire/runtime/health/health-checks'
import { silentLogger } from '@mini-spire/runtime/log/logger'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { describe, expect, it } from 'vitest'
import { type ServerHealthOptions, serverHealthChecks } from './server-health.ts'

const nothing = {
  store: { writeFailure: undefined },
  bundle: { get: () => undefined },
  issuer: { checkHealth: async () => {} },
  authorities: { hasFailedTooOften: false },
  federation: { health: () => new Map() },
} as const

const checkOf = (exchange: ServerHealthOptions['exchange']) =>
  serverHealthChecks({ ...nothing, exchange }).find(({ name }) => name === 'token_exchange')

describe('the health of token exchange', () => {
  it('is not asked for where no tokens are exchanged', () => {
    expect(checkOf({ keyFailures: undefined })).toBeUndefined()
  })

  it('names the issuers whose keys cannot be had, and stays good', async () => {
    const check = checkOf({ keyFailures: new Map([['ci', 'nobody there']]) })
    expect(await check?.check(AbortSignal.timeout(1_000))).toEqual({
      isLive: true,
      isReady: true,
      details: { ci: 'nobody there' },
    })
  })
})

describe('the health of the server', () => {
  const stateWith = async (options: Partial<ServerHealthOptions>) => {
    const all = { ...nothing, exchange: { keyFailures: undefined }, ...options }
    const checks = serverHealthChecks(all)
    const health = new HealthChecks({ checks, clock: new FakeClock(), log: silentLogger })
    await health.checkNow(new AbortController().signal)
    return health.state
  }
  const bundle = {
    trustDomain: TrustDomain.parse('example.org'),
    x509Authorities: [],
    jwtAuthorities: [],
    refreshHintSeconds: 0,
    sequenceNumber: 0,
  }

  it('is said as SPIRE says it when all is well', async () => {
    const { isLive, isReady, details } = await stateWith({ bundle: { get: () => bundle } })
    expect([isLive, isReady]).toEqual([true, true])
    expect(JSON.stringify(details)).toBe(
      '{"catalog.datastore":{},"server":{},"server.ca":{},"server.ca.rotator":{}}',
    )
  })

  it('names what is wrong under SPIRE’s keys', async () => {
    const { isLive, isReady, details } = await stateWith({
      store: { writeFailure: new Error('disk full') },
      issuer: { checkHealth: () => Promise.reject(new Error('no CA')) },
      authorities: { hasFailedTooOften: true },
    })
    expect([isLive, isReady]).toEqual([false, false])
    expect(details).toEqual({
      'catalog.datastore': { list_bundle_err: 'disk full' },
      server: { get_bundle_err: 'bundle not found' },
      'server.ca': { sign_x509_svid_err: 'no CA' },
      'server.ca.rotator': {
        rotation_err: 'rotations exceed the threshold number of failures',
      },
    })
  })
})
