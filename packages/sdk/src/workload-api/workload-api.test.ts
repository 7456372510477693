import { Client, credentials, Metadata } from '@grpc/grpc-js'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { verifyJwtSvid } from '../jwt-svid/index.ts'
import { SpiffeWorkloadAPIService, X509SVIDResponse } from '../proto/spiffe/workload/workload.ts'
import { SpiffeId } from '../spiffe-id/index.ts'
import { FakeWorkloadApi, TestCa } from '../testing/index.ts'
import { verifyX509Svid } from '../x509-svid/index.ts'
import { JwtSource, WorkloadApiClient, X509Source, type X509SourceOptions } from './index.ts'

const ca = TestCa.create('example.org')
const foreign = TestCa.create('foreign.test')
const web = ca.createIntermediate().issueX509Svid('/web')
const code = (value: string): unknown => expect.objectContaining({ code: value })

let api: FakeWorkloadApi
let client: WorkloadApiClient

beforeEach(async () => {
  api = await FakeWorkloadApi.start()
  client = new WorkloadApiClient({ address: api.address })
})

afterEach(async () => {
  client.close()
  await api[Symbol.asyncDispose]()
})

describe('a Workload API client', () => {
  it('sends the security header, without which it would be refused [Workload Endpoint 3]', async () => {
    api.serve({ ca, svids: [web] })
    const bare = new Client(api.address, credentials.createInsecure())
    const { path, requestSerialize, responseDeserialize } = SpiffeWorkloadAPIService.fetchJwtsvid
    const request = { audience: ['test'], spiffeId: '' }
    const refused = new Promise((resolve) => {
      const none = new Metadata()
      bare.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, none, resolve)
    })
    expect(await refused).toMatchObject({
      code: 3,
      details: 'security header missing from request',
    })
    bare.close()
    expect((await client.fetchJwtSvid({ audience: ['test'] })).audience).toEqual(['test'])
  })

  it('fetches SVIDs and bundles that verify, federated ones too', async () => {
    api.serve({ ca, svids: [web], federated: [foreign] })
    const { svids, bundles } = await client.fetchX509Context()
    const now = new Date()
    expect(verifyX509Svid(svids[0].chain, bundles, { now }).path).toBe('/web')
    const theirs = foreign.issueX509Svid('/db')
    expect(verifyX509Svid(theirs.chain, bundles, { now }).path).toBe('/db')
    expect((await client.fetchX509Bundles()).size).toBe(2)
    expect((await client.fetchJwtBundles()).size).toBe(2)
    const own = await client.fetchX509Svid()
    expect(own.privateKey.equals(web.privateKey)).toBe(true)
  })

  it('takes the first of several SVIDs with one hint [Workload API 5.2.1]', async () => {
    const hinted = (path: string, hint: string) => ca.issueX509Svid(path, { hint })
    api.serve({
      ca,
      svids: [hinted('/a', 'in'), hinted('/b', 'in'), hinted('/c', ''), hinted('/d', '')],
    })
    const { svids } = await client.fetchX509Context()
    expect(svids.map((one) => one.spiffeId.path)).toEqual(['/a', '/c', '/d'])
    const tokens = await client.fetchJwtSvids({ audience: ['x'] })
    expect(tokens.map((one) => [one.spiffeId.path, one.hint])).toEqual([
      ['/a', 'in'],
      ['/c', ''],
      ['/d', ''],
    ])
  })

  it('fetches a JWT-SVID of the identity that is asked for, and has tokens validated', async () => {
    api.serve({ ca, svids: [web, ca.issueX509Svid('/db')] })
    const subject = SpiffeId.parse('spiffe://example.org/db')
    const { token } = await client.fetchJwtSvid({ audience: ['a', 'b'], subject })
    const valid = await client.validateJwtSvid(token, 'b')
    expect(valid.spiffeId.toString()).toBe(subject.toString())
    await expect(client.validateJwtSvid(token, 'c')).rejects.toMatchObject({ status: 3 })
  })

  it('says what the agent says, with its status', async () => {
    await expect(client.fetchX509Svid()).rejects.toMatchObject({
      code: 'ERR_WORKLOAD_API_CALL',
      status: 7,
      details: 'no identity issued',
      kind: 'permission-denied',
      message: 'rpc error: code = PermissionDenied desc = no identity issued',
    })
    await expect(client.fetchJwtSvid({ audience: ['x'] })).rejects.toMatchObject({ status: 7 })
  })

  it('refuses answers that say nothing, or half', async () => {
    api.serve({ ca, svids: [] })
    await expect(client.fetchX509Context()).rejects.toEqual(code('ERR_WORKLOAD_API_RESPONSE'))
    await expect(client.fetchJwtSvid({ audience: ['x'] })).rejects.toEqual(
      code('ERR_WORKLOAD_API_RESPONSE'),
    )
  })

  it('takes many calls at once without a word of warning', async () => {
    api.serve({ ca, svids: [web] })
    const warnings: string[] = []
    const onWarning = (warning: Error): number => warnings.push(warning.name)
    process.on('warning', onWarning)
    const all = await Promise.all(Array.from({ length: 40 }, () => client.fetchX509Context()))
    await new Promise((resolve) => setImmediate(resolve))
    process.off('warning', onWarning)
    expect([all.length, warnings]).toEqual([40, []])
  })

  it('leaves no stream behind after a fetch', async () => {
    api.serve({ ca, svids: [web] })
    await client.fetchX509Context()
    // The answer to a later call proves that the cancellation before it has arrived.
    await client.fetchJwtSvid({ audience: ['x'] })
    expect(api.streamCount).toBe(0)
  })

  it('fails when the caller gives up, and after it was closed', async () => {
    api.serve({ ca, svids: [web] })
    const signal = AbortSignal.abort()
    await expect(client.fetchX509Svid({ signal })).rejects.toMatchObject({ status: 1 })
    client.close()
    await expect(client.fetchX509Svid()).rejects.toMatchObject({ status: 1 })
  })
})

describe('an X509Source', () => {
  const open = (options: X509SourceOptions = {}): Promise<X509Source> =>
    X509Source.create({ address: api.address, backoff: () => 5, ...options })
  const nextUpdate = (source: X509Source): Promise<void> =>
    new Promise((resolve) => {
      const stop = source.onUpdate(() => {
        stop()
        resolve()
      })
    })

  it('always has the newest SVID and bundles; what a message leaves out is gone [Workload API 4.4]', async () => {
    api.serve({ ca, svids: [web], federated: [foreign] })
    await using source = await open()
    expect(source.findX509Bundle(foreign.trustDomain)).toBeDefined()
    const updated = nextUpdate(source)
    const renewed = ca.issueX509Svid('/web')
    api.serve({ ca, svids: [renewed] })
    await updated
    expect(source.getX509Svid().chain[0].serialNumber).toBe(renewed.chain[0].serialNumber)
    expect(source.findX509Bundle(foreign.trustDomain)).toBeUndefined()
  })

  it('keeps what it has while the agent is away, and goes on when it is back', async () => {
    api.serve({ ca, svids: [web] })
    const errors: unknown[] = []
    await using source = await open({ onError: (error) => errors.push(error) })
    const updated = nextUpdate(source)
    await api.restart()
    expect(source.getX509Svid().spiffeId.path).toBe('/web')
    await updated
    expect(errors.length).toBeGreaterThan(0)
    expect(source.getX509Svid().spiffeId.path).toBe('/web')
  })

  it('keeps what it has when a message cannot be used, and says so', async () => {
    api.serve({ ca, svids: [web] })
    const errors: unknown[] = []
    await using source = await open({ onError: (error) => errors.push(error) })
    api.sendRaw(X509SVIDResponse.fromPartial({ svids: [{ x509Svid: Buffer.from('junk') }] }))
    const updated = nextUpdate(source)
    api.serve({ ca, svids: [ca.issueX509Svid('/new')] })
    await updated
    expect(errors).toEqual([code('ERR_X509_SVID_MALFORMED')])
    expect(source.getX509Svid().spiffeId.path).toBe('/new')
  })

  it('has no SVID any more when the identity is withdrawn, and keeps the roots [Workload API 5.2.1]', async () => {
    api.serve({ ca, svids: [web] })
    await using source = await open()
    const withdrawn = nextUpdate(source)
    api.refuse()
    await withdrawn
    expect(() => source.getX509Svid()).toThrow(code('ERR_IDENTITY_WITHDRAWN'))
    expect(source.findX509Bundle(ca.trustDomain)).toBeDefined()
    const back = nextUpdate(source)
    api.serve({ ca, svids: [web] })
    await back
    expect(source.getX509Svid().spiffeId.path).toBe('/web')
  })

  it('presents the SVID that is picked', async () => {
    api.serve({ ca, svids: [web, ca.issueX509Svid('/db', { hint: 'internal' })] })
    const pickSvid: X509SourceOptions['pickSvid'] = (svids) =>
      svids.find((one) => one.hint === 'internal') ?? web
    await using source = await open({ pickSvid })
    expect(source.getX509Svid().spiffeId.path).toBe('/db')
  })

  it('stops waiting when the agent says that asking again is pointless, or the caller gives up', async () => {
    api.refuse({ code: 12, details: 'fetching X.509-SVIDs is not implemented' })
    await expect(open()).rejects.toMatchObject({ status: 12 })
    api.refuse()
    const abort = new AbortController()
    const opening = open({ signal: abort.signal, onError: () => abort.abort(new Error('enough')) })
    await expect(opening).rejects.toThrow('enough')
  })

  it('has nothing once it is closed', async () => {
    api.serve({ ca, svids: [web] })
    const source = await open()
    source.close()
    expect(() => source.getX509Svid()).toThrow('x509source: source is closed')
    expect(() => source.findX509Bundle(ca.trustDomain)).toThrow(code('ERR_SOURCE_CLOSED'))
  })
})

describe('a JwtSource', () => {
  it('fetches tokens and verifies those of others with the newest keys', async () => {
    api.serve({ ca, svids: [web], federated: [foreign] })
    await using source = await JwtSource.create({ address: api.address })
    const { token } = await source.fetchJwtSvid({ audience: ['api'] })
    const options = { audience: 'api', bundles: source, now: new Date() }
    expect(verifyJwtSvid(token, options).spiffeId.path).toBe('/web')
    const theirs = foreign.signJwtSvid('/db', { audience: ['api'] })
    expect(verifyJwtSvid(theirs, options).spiffeId.path).toBe('/db')
    const updated = new Promise<void>((resolve) => source.onUpdate(resolve))
    api.serve({ ca, svids: [web] })
    await updated
    expect(() => verifyJwtSvid(theirs, options)).toThrow(code('ERR_JWT_SVID_BUNDLE_NOT_FOUND'))
  })
})
