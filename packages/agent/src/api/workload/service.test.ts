import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import type { CallContext, UnixPeer } from '@mini-spire/runtime/grpc/call-context'
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
  const process = { isSame: true }
  const attestor = { name: 'unix', attest: () => [looks] }
  const jwtSvids = {
    fetch: () => {
      process.isSame = false
      return Promise.resolve({ token: 'secret', issuedAtMs: 0, expiresAtMs: 1 })
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
      log: silentLogger,
      metadata: () => [],
    }
    const bound = api.bind().methods.find((one) => one.path === path)
    if (!bound || bound.kind === 'bidi') throw new Error(`no ${path}`)
    return bound.handle(context, request)
  }
  return { update, process, call }
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
