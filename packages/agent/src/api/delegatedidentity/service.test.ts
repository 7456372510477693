import type { CallContext } from '@mini-spire/runtime/grpc/call-context'
import type { BoundMethod } from '@mini-spire/runtime/grpc/service'
import type {
  FetchJWTSVIDsResponse,
  SubscribeToX509BundlesResponse,
  SubscribeToX509SVIDsRequest,
  SubscribeToX509SVIDsResponse,
} from '@mini-spire/runtime/proto/spire/api/agent/delegatedidentity/v1/delegatedidentity'
import { SpiffeId, TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { describe, expect, it } from 'vitest'
import { ApiScene, looks, testAgentEntry, testBundle } from '../api-scene.test-kit.ts'
import { DelegatedIdentityApi } from './service.ts'

const service = '/spire.api.agent.delegatedidentity.v1.DelegatedIdentity'
const delegate = testAgentEntry('delegate')
const pod = { type: 'k8s', value: 'pod-name:web' }
const web = testAgentEntry('web', { selectors: [pod], hint: 'h' })
const other = TrustDomain.parse('other.org')

type Fields = Parameters<typeof SubscribeToX509SVIDsRequest.fromPartial>[0] & {
  readonly audience?: readonly string[]
}

function setUp(delegates: readonly string[] = ['spiffe://example.org/delegate']) {
  const scene = new ApiScene()
  const samples: string[] = []
  const server = { isAway: false }
  const api = new DelegatedIdentityApi({
    callers: scene.callers,
    cache: scene.cache,
    jwtSvids: {
      fetch: ({ id }, audience) =>
        server.isAway
          ? Promise.reject(new Error('away'))
          : Promise.resolve({
              token: `${id} ${audience.join()}`,
              keyId: '',
              issuedAtMs: 1_000,
              expiresAtMs: 61_900,
            }),
    },
    requestSvids: () => {},
    authorizedDelegates: delegates.map((id) => SpiffeId.parse(id)),
    metrics: { sample: (key) => void samples.push(key.join('.')) },
    clock: scene.clock,
  })
  const handle = (name: string, fields: Fields = {}): unknown => {
    const path = `${service}/${name}`
    const bound = scene.method(api.bind(), path) as Exclude<
      BoundMethod<CallContext>,
      { kind: 'bidi' }
    >
    const { selectors = [], pid = 0, audience = [] } = fields
    return bound.handle(scene.context(path), { selectors, pid, audience })
  }
  const watch = <T>(name: string, fields: Fields = {}): AsyncIterator<T> =>
    (handle(name, fields) as AsyncIterable<T>)[Symbol.asyncIterator]()
  const svids = (fields: Fields) =>
    watch<SubscribeToX509SVIDsResponse>('SubscribeToX509SVIDs', fields)
  const jwt = async (fields: Fields): Promise<FetchJWTSVIDsResponse> =>
    (await handle('FetchJWTSVIDs', fields)) as FetchJWTSVIDsResponse
  return { scene, samples, server, watch, svids, jwt }
}

describe('a delegate', () => {
  it('gets the SVIDs of the workload it answers for, and what is new about it', async () => {
    const { scene, samples, svids } = setUp()
    scene.update([delegate, web])
    const stream = svids({ selectors: [pod] })
    expect((await stream.next()).value).toEqual({
      x509Svids: [
        {
          x509Svid: {
            id: { trustDomain: 'example.org', path: '/web' },
            certChain: [Uint8Array.of(1)],
            expiresAt: 1_000_000_000_000n,
            hint: 'h',
          },
          x509SvidKey: Uint8Array.of(2),
        },
      ],
      federatesWith: [],
    })
    expect(samples).toEqual(['delegated_identity_api.subscribe_x509_svid.first_x509_svid_update'])
    scene.update(
      [delegate, { ...web, federatesWith: [other] }],
      testBundle(1),
      testBundle(2, other),
    )
    expect((await stream.next()).value.federatesWith).toEqual(['spiffe://other.org'])
    scene.update([delegate])
    expect((await stream.next()).value).toEqual({ x509Svids: [], federatesWith: [] })
    expect(samples).toHaveLength(1)
    await stream.return?.()
    expect(scene.cache.subscriberCount).toBe(0)
  })

  it('gets an empty list for who has no identity', async () => {
    const { scene, svids } = setUp()
    scene.update([delegate])
    const stream = svids({ selectors: [pod] })
    expect((await stream.next()).value).toEqual({ x509Svids: [], federatesWith: [] })
    await stream.return?.()
  })

  it('may name a process instead', async () => {
    const { scene, svids } = setUp()
    scene.update([delegate, testAgentEntry('same', { selectors: [looks] })])
    const stream = svids({ pid: 42 })
    const { value } = await stream.next()
    expect(
      value.x509Svids.map(({ x509Svid }: never) => (x509Svid as { id: { path: string } }).id.path),
    ).toEqual(['/delegate', '/same'])
    await stream.return?.()
  })

  it('never gets SVIDs of administrators or servers below', async () => {
    const { scene, svids, jwt } = setUp()
    const hidden = [
      testAgentEntry('x', { selectors: [pod], admin: true }),
      testAgentEntry('y', { selectors: [pod], downstream: true }),
    ]
    scene.update([delegate, ...hidden])
    const stream = svids({ selectors: [pod] })
    expect((await stream.next()).value.x509Svids).toEqual([])
    await stream.return?.()
    await expect(jwt({ selectors: [pod], audience: ['a'] })).rejects.toMatchObject({
      kind: 'permission-denied',
      message: 'no identity issued',
    })
  })

  it('gets tokens', async () => {
    const { scene, server, jwt } = setUp()
    scene.update([delegate, web])
    expect(await jwt({ selectors: [pod], audience: ['a', 'b'] })).toEqual({
      svids: [
        {
          token: 'web a,b',
          id: { trustDomain: 'example.org', path: '/web' },
          issuedAt: 1n,
          expiresAt: 61n,
          hint: 'h',
        },
      ],
    })
    server.isAway = true
    await expect(jwt({ selectors: [pod], audience: ['a'] })).rejects.toMatchObject({
      kind: 'unavailable',
      message: 'could not fetch JWT-SVID: away',
    })
  })

  it.each([
    [{}, 'must provide either selectors or non-zero PID, but not both'],
    [{ pid: 1, selectors: [pod] }, 'must provide either selectors or non-zero PID, but not both'],
    [{ selectors: [{ type: '', value: 'x' }] }, 'could not parse provided selectors'],
    [{ selectors: [{ type: 'a:b', value: 'x' }] }, 'could not parse provided selectors'],
    [{ selectors: [pod, { type: 'a', value: '' }] }, 'could not parse provided selectors'],
  ])('that asks for %j is refused', async (fields, message) => {
    const { scene, svids, jwt } = setUp()
    scene.update([delegate, web])
    const refused = { kind: 'invalid-argument', message }
    await expect(svids(fields).next()).rejects.toMatchObject(refused)
    await expect(jwt({ ...fields, audience: ['a'] })).rejects.toMatchObject(refused)
  })

  it('has to name an audience', async () => {
    const { scene, jwt } = setUp([])
    scene.update([delegate])
    await expect(jwt({ selectors: [pod] })).rejects.toMatchObject({
      kind: 'invalid-argument',
      message: 'audience must be specified',
    })
  })

  it('gets all bundles there are, and each change; one that is withdrawn is gone', async () => {
    const { scene, watch } = setUp()
    scene.update([delegate], testBundle(1), testBundle(2, other))
    const x509 = watch<SubscribeToX509BundlesResponse>('SubscribeToX509Bundles')
    const domains = async (): Promise<readonly string[]> => [
      ...(await x509.next()).value.caCertificates.keys(),
    ]
    expect(await domains()).toEqual(['spiffe://example.org', 'spiffe://other.org'])
    scene.update([delegate], testBundle(1))
    expect(await domains()).toEqual(['spiffe://example.org'])
    const jwt = watch<{ bundles: Map<string, Uint8Array> }>('SubscribeToJWTBundles')
    const { bundles } = (await jwt.next()).value
    expect(JSON.parse(Buffer.from(bundles.get('spiffe://example.org') ?? []).toString())).toEqual({
      keys: [],
    })
    await Promise.all([x509.return?.(), jwt.return?.()])
  })
})

describe('who is no delegate', () => {
  const all = ['SubscribeToX509SVIDs', 'SubscribeToX509Bundles', 'SubscribeToJWTBundles'] as const
  const fields = { selectors: [pod], audience: ['a'] }

  it('but has an identity is refused, whatever it asks for', async () => {
    const { scene, watch, jwt } = setUp(['spiffe://example.org/another'])
    scene.update([delegate, web])
    const refused = {
      kind: 'permission-denied',
      message: 'caller not configured as an authorized delegate',
    }
    for (const name of all) await expect(watch(name, fields).next()).rejects.toMatchObject(refused)
    await expect(jwt(fields)).rejects.toMatchObject(refused)
  })

  it('and has no identity is told that', async () => {
    const { scene, watch, jwt } = setUp()
    scene.update([web])
    const refused = { kind: 'permission-denied', message: 'no identity issued' }
    for (const name of all) await expect(watch(name, fields).next()).rejects.toMatchObject(refused)
    await expect(jwt(fields)).rejects.toMatchObject(refused)
  })

  it('any more gets nothing more on its streams', async () => {
    const { scene, watch } = setUp()
    scene.update([delegate, web])
    const streams = all.map((name) => watch(name, fields))
    for (const stream of streams) await stream.next()
    scene.update([web], testBundle(2))
    for (const stream of streams)
      await expect(stream.next()).rejects.toMatchObject({ message: 'no identity issued' })
  })

  it('because another process has taken its place gets nothing more either [gate 12]', async () => {
    const { scene, watch, jwt } = setUp()
    scene.update([delegate, web])
    const streams = all.map((name) => watch(name, fields))
    for (const stream of streams) await stream.next()
    scene.process.isSame = false
    scene.update([delegate, { ...web, federatesWith: [other] }], testBundle(2))
    const refused = { message: 'workload attestation failed' }
    for (const stream of streams) await expect(stream.next()).rejects.toMatchObject(refused)
    await expect(jwt(fields)).rejects.toMatchObject(refused)
  })
})
