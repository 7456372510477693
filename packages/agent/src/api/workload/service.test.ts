import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import type { CallContext, UnixPeer } from '@mini-spire/runtime/grpc/call-context'
import { createLogger } from '@mini-spire/runtime/log/create-logger'
import { silentLogger } from '@mini-spire/runtime/log/logger'
import { PeerError } from '@mini-spire/runtime/peer/peer-error'
import { SpiffeId, TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { describe, expect, it } from 'vitest'
import { WorkloadCache } from '../../cache/workload-cache.ts'
import type { JwtSvidFetcher } from '../../identity/fetch-jwt-svid.ts'
import type { AgentEntry } from '../../model/agent-entry.ts'
import type { TrustBundle } from '../../model/trust-bundle.ts'
import { WorkloadAttestation } from '../../workload-attestation/attest-workload.ts'
import { WorkloadRateLimit } from './rate-limit.ts'
import { WorkloadApi } from './service.ts'

const trustDomain = TrustDomain.parse('example.org')
const looks = { type: 'unix', value: 'uid:1000' }
const entry: AgentEntry = {
  id: 'one',
  spiffeId: SpiffeId.parse('spiffe://example.org/one'),
  selectors: [looks],
  federatesWith: [],
  admin: false,
  downstream: false,
  revisionNumber: 0,
  storeSvid: false,
  hint: '',
  createdAtSeconds: 0,
  disableX509SvidPrefetch: false,
}

function bundle(sequenceNumber: number): TrustBundle {
  const x509Authorities = [{ certificate: Uint8Array.of(sequenceNumber), tainted: false }]
  return { trustDomain, x509Authorities, jwtAuthorities: [], refreshHintSeconds: 0, sequenceNumber }
}

/** The Workload API before one caller, whose process can become another while it is served. */
function scene() {
  const clock = new FakeClock()
  const cache = new WorkloadCache({ ownBundle: bundle(1), maxX509Svids: 10, clock })
  const update = (sequenceNumber: number): void => {
    const ownBundle = bundle(sequenceNumber)
    cache.update({ entries: new Map([[entry.id, entry]]), ownBundle, federatedBundles: [] })
  }
  update(1)
  const [chain, privateKey] = [[Uint8Array.of(1)], Uint8Array.of(2)]
  const svid = { chain, privateKey, notBeforeMs: 0, notAfterMs: 1e15, revisionNumber: 0 }
  cache.setX509Svids(new Map([[entry.id, svid]]))
  const process = { isSame: true, changesWhileSigning: true }
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
  const attestor = { name: 'unix', attest: () => [looks] }
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
    attestation: new WorkloadAttestation({
      attestors: [attestor],
      clock,
      log: silentLogger,
      ownPid: 1,
    }),
    cache,
    jwtSvids,
    requestSvids: () => {},
    rateLimit: new WorkloadRateLimit({ perSecond: new Map(), clock }),
    trustDomain,
    allowsUnauthenticatedVerifiers: false,
    allowedForeignJwtClaims: [],
    logSelectors: [],
    ownPid: 1,
    clock,
  })
  const assertAlive = (): void => {
    if (!process.isSame)
      throw new PeerError('ERR_PEER_CHANGED', 'process 7 runs another executable')
  }
  const peer: UnixPeer = { kind: 'unix', pid: 7, uid: 1000, gid: 1000, assertAlive }
  const call = (method: string, request: object = {}): unknown => {
    const path = `/SpiffeWorkloadAPI/${method}`
    const context: CallContext = {
      peer,
      method: path,
      requestId: 'r',
      signal: new AbortController().signal,
      clock,
      log,
      metadata: () => [],
    }
    const bound = api.bind().methods.find((one) => one.path === path)
    if (!bound || bound.kind === 'bidi') throw new Error(`no ${path}`)
    return bound.handle(context, request)
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
