import { createLogger } from '@mini-spire/runtime/log/create-logger'
import { describe, expect, it } from 'vitest'
import type { JwtSvidFetcher } from '../../identity/fetch-jwt-svid.ts'
import { ApiScene, testAgentEntry, testBundle, testDomain } from '../api-scene.test-kit.ts'
import { WorkloadApi } from './service.ts'

/** The Workload API before one caller, whose process can become another while it is served. */
function scene() {
  const made = new ApiScene()
  const { clock, cache, callers } = made
  const process = Object.assign(made.process, { changesWhileSigning: true })
  const update = (sequenceNumber: number): void =>
    made.update([testAgentEntry('one')], testBundle(sequenceNumber))
  update(1)
  const lines: unknown[] = []
  const log = createLogger({
    format: 'json',
    level: 'debug',
    destination: {
      isTerminal: false,
      write: (line) => {
        const { time, ...said } = JSON.parse(line)
        lines.push(said)
      },
    },
    clock,
  })
  const jwtSvids = {
    fetch: () => {
      process.isSame = !process.changesWhileSigning
      return Promise.resolve({
        token: 'secret',
        issuedAtMs: 0,
        expiresAtMs: clock.nowMs() + 300_000,
      })
    },
  } as unknown as JwtSvidFetcher
  const api = new WorkloadApi({
    callers,
    cache,
    jwtSvids,
    requestSvids: () => {},
    trustDomain: testDomain,
    allowsUnauthenticatedVerifiers: false,
    allowedForeignJwtClaims: [],
    clock,
  })
  const call = (method: string, request: object = {}): unknown => {
    const path = `/SpiffeWorkloadAPI/${method}`
    const bound = made.method(api.bind(), path)
    if (bound.kind === 'bidi') throw new Error(`${path} takes a stream`)
    return bound.handle({ ...made.context(path), log }, request)
  }
  return { update, process, call, lines, nowMs: clock.nowMs() }
}

const refused = {
  kind: 'unavailable',
  message: 'workload attestation failed',
}

describe('a caller that became another process [gate 12]', () => {
  it.each(['FetchX509SVID', 'FetchX509Bundles'])(
    'gets no further answer on its stream of %s',
    async (method) => {
      const { update, process, call } = scene()
      const answers = (call(method) as AsyncIterable<unknown>)[Symbol.asyncIterator]()
      expect((await answers.next()).done).toBe(false)
      process.isSame = false
      const next = answers.next()
      update(2)
      await expect(next).rejects.toMatchObject(refused)
    },
  )

  it('while its token was being signed does not get it', async () => {
    const { call } = scene()
    await expect(call('FetchJWTSVID', { audience: ['a'], spiffeId: '' })).rejects.toMatchObject(
      refused,
    )
  })
})

describe('the log says', () => {
  const one = 'spiffe://example.org/one'

  it('which X509-SVIDs a workload got, at each update', async () => {
    const { update, call, lines, nowMs } = scene()
    const answers = (call('FetchX509SVID') as AsyncIterable<unknown>)[Symbol.asyncIterator]()
    await answers.next()
    update(2)
    await answers.next()
    const ttl = (1e15 - nowMs) / 1000
    const line = { level: 'debug', msg: 'Fetched X.509 SVID', registered: true, count: 1 }
    expect(lines).toEqual([
      { ...line, spiffe_id: one, ttl },
      { ...line, spiffe_id: one, ttl },
    ])
  })

  it('which JWT-SVID, and never the token', async () => {
    const { process, call, lines } = scene()
    process.changesWhileSigning = false
    await call('FetchJWTSVID', { audience: ['a'], spiffeId: '' })
    const ttl = 300
    expect(lines).toEqual([
      { level: 'debug', msg: 'Fetched JWT SVID', registered: true, spiffe_id: one, ttl },
    ])
    expect(JSON.stringify(lines)).not.toContain('secret')
  })

  it.each([
    ['FetchJWTSVID', { audience: [], spiffeId: '' }, 'Missing required audience parameter'],
    ['FetchJWTSVID', { audience: ['a'], spiffeId: 'x' }, 'Invalid requested SPIFFE ID'],
    ['ValidateJWTSVID', { audience: '', svid: 'x' }, 'Missing required audience parameter'],
    ['ValidateJWTSVID', { audience: 'a', svid: '' }, 'Missing required svid parameter'],
    ['ValidateJWTSVID', { audience: 'a', svid: 'x.y.z' }, 'Failed to validate JWT'],
  ])('what is wrong with a request to %s: %j', async (method, request, msg) => {
    const { call, lines } = scene()
    await expect(call(method, request)).rejects.toThrow()
    expect(lines).toMatchObject([{ msg }])
    expect(JSON.stringify(lines)).not.toContain('x.y.z')
  })
})
