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
