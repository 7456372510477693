import type { CallContext, Peer } from '@mini-spire/runtime/grpc/call-context'
import type { BoundMethod } from '@mini-spire/runtime/grpc/service'
import { ErrorInfo } from '@mini-spire/runtime/proto/google/rpc/error_details'
import {
  FetchJWTSVIDRequest,
  type FetchJWTSVIDResponse,
  KubernetesObjectReference,
  SubscribeToJWTBundlesResponse,
  SubscribeToX509BundlesResponse,
  SubscribeToX509SVIDResponse,
  WorkloadPIDReference,
} from '@mini-spire/sdk/internal/spiffe/broker/api'
import { SpiffeId, TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { describe, expect, it } from 'vitest'
import { SelectorSet } from '../../model/selector-set.ts'
import type { WorkloadReference } from '../../model/workload-reference.ts'
import type { ResolvedWorkload } from '../../workload-attestation/resolve-reference.ts'
import {
  ReferenceAttestationError,
  WorkloadAttestationError,
} from '../../workload-attestation/workload-attestation-error.ts'
import { ApiScene, looks, testAgentEntry, testBundle } from '../api-scene.test-kit.ts'
import { BrokerApi } from './service.ts'

const prefix = 'type.googleapis.com/spiffe.broker.'
const pidType = `${prefix}WorkloadPIDReference`
const brokerId = 'spiffe://example.org/broker'
const other = TrustDomain.parse('other.org')
const neighbour = { pid: 9, uid: 0, gid: 0 }
const web = testAgentEntry('web', { hint: 'h' })

type Any = { readonly typeUrl: string; readonly value: Uint8Array }
const process = (pid: number): Any => ({
  typeUrl: pidType,
  value: WorkloadPIDReference.encode({ pid }).finish(),
})

function peerOf(spiffeId: string | undefined, isNeighbour: boolean): Peer {
  const address = isNeighbour ? { address: '', process: neighbour } : { address: '127.0.0.1' }
  const chain = { chain: [], serialNumber: '1', notAfterMs: 0 }
  return { kind: 'tls', port: 0, spiffeId, ...chain, ...address }
}

function setUp(types: readonly (readonly [string, boolean])[] = [['*', true]]) {
  const scene = new ApiScene()
  const samples: string[] = []
  const asked: WorkloadReference[] = []
  const caller = { peer: peerOf(brokerId, true) as Peer }
  const ending = new AbortController()
  const workload = { isSame: true, disposed: 0, refusal: undefined as unknown }
  const resolved: ResolvedWorkload = {
    selectors: new SelectorSet([looks]),
    ended: ending.signal,
    assertSame: () =>
      workload.isSame
        ? Promise.resolve()
        : Promise.reject(new WorkloadAttestationError('ERR_WORKLOAD_CHANGED', 'runs another')),
    [Symbol.dispose]: () => void workload.disposed++,
  }
  const api = new BrokerApi({
    references: {
      resolve: ({ reference }) => {
        asked.push(reference)
        return workload.refusal ? Promise.reject(workload.refusal) : Promise.resolve(resolved)
      },
    },
    brokers: [
      {
        id: SpiffeId.parse(brokerId),
        allowedReferenceTypes: types.map(([typeUrl, allowOverTcp]) => ({ typeUrl, allowOverTcp })),
      },
    ],
    cache: scene.cache,
    jwtSvids: {
      fetch: ({ id }, audience) =>
        Promise.resolve({ token: `${id} ${audience}`, keyId: '', issuedAtMs: 0, expiresAtMs: 1 }),
    },
    requestSvids: () => {},
    metrics: { sample: (key) => void samples.push(key.join('.')) },
    clock: scene.clock,
  })
  const handle = (name: string, fields: object): unknown => {
    const path = `/spiffe.broker.API/${name}`
    const bound = scene.method(api.bind(), path) as Exclude<
      BoundMethod<CallContext>,
      { kind: 'bidi' }
    >
    return bound.handle({ ...scene.context(path), peer: caller.peer }, fields)
  }
  const watch = <T>(
    name: string,
    type: { decode(bytes: Uint8Array): T },
    reference: Any | undefined = process(7),
  ): AsyncIterator<T> => {
    const answers = handle(name, { reference: { reference } }) as AsyncIterable<Uint8Array>
    return (async function* () {
      for await (const answer of answers) yield type.decode(answer)
    })()
  }
  const svids = (reference?: Any): AsyncIterator<SubscribeToX509SVIDResponse> =>
    watch('SubscribeToX509SVID', SubscribeToX509SVIDResponse, reference)
  const jwt = async (fields: Partial<FetchJWTSVIDRequest> = {}): Promise<FetchJWTSVIDResponse> =>
    (await handle(
      'FetchJWTSVID',
      FetchJWTSVIDRequest.fromPartial({
        reference: { reference: process(7) },
        audience: ['a'],
        ...fields,
      }),
    )) as FetchJWTSVIDResponse
  return { scene, samples, asked, caller, ending, workload, watch, svids, jwt }
}

/** The reasons that travel with a refusal. */
async function reasonsOf(refused: Promise<unknown>): Promise<readonly string[]> {
  const error = await refused.then(
    () => undefined,
    (thrown: unknown) => thrown as { details: readonly Any[] },
  )
  return error?.details.map(({ value }) => ErrorInfo.decode(value).reason) ?? []
}

describe('a broker', () => {
  it('gets the SVIDs of a workload, what is new about it, and an empty list when there are none', async () => {
    const { scene, samples, svids, asked, workload } = setUp()
    scene.update([])
    const stream = svids()
    expect((await stream.next()).value).toMatchObject({ svids: [] })
    expect(samples).toEqual([])
    scene.update([{ ...web, federatesWith: [other] }], testBundle(1), testBundle(2, other))
    const { value } = await stream.next()
    expect(value).toEqual({
      svids: [
        {
          spiffeId: 'spiffe://example.org/web',
          x509Svid: Uint8Array.of(1),
          x509SvidKey: Uint8Array.of(2),
          bundle: Uint8Array.of(1),
          hint: 'h',
        },
      ],
      crl: [],
      federatedBundles: new Map([['spiffe://other.org', Uint8Array.of(2)]]),
    })
    expect(samples).toEqual(['delegated_identity_api.subscribe_x509_svid.first_x509_svid_update'])
    expect(asked).toMatchObject([{ typeUrl: pidType, subject: { kind: 'process', pid: 7 } }])
    await stream.return?.()
    expect([scene.cache.subscriberCount, workload.disposed]).toEqual([0, 1])
  })

  it('gets nothing of administrators and servers below, as X509-SVID or as JWT-SVID', async () => {
    const { scene, svids, jwt } = setUp()
    const entries = [
      testAgentEntry('admin', { admin: true }),
      testAgentEntry('below', { downstream: true }),
    ]
    scene.update(entries)
    expect((await svids().next()).value).toMatchObject({ svids: [] })
    await expect(jwt()).rejects.toMatchObject({ message: 'no identity issued' })
    scene.update([...entries, web])
    expect((await jwt()).svids).toMatchObject([{ spiffeId: 'spiffe://example.org/web' }])
  })

  it('gets one SVID for each hint, of the oldest entry', async () => {
    const { scene, svids, jwt } = setUp()
    scene.update([{ ...web, createdAtSeconds: 2 }, testAgentEntry('first', { hint: 'h' })])
    const first = [{ spiffeId: 'spiffe://example.org/first', hint: 'h' }]
    expect((await svids().next()).value.svids).toMatchObject(first)
    expect((await jwt()).svids).toMatchObject(first)
  })

  it('gets the bundles that the workload is to trust, and no others of the agent', async () => {
    const { scene, watch } = setUp()
    scene.update([web], testBundle(1), testBundle(2, other))
    const stream = watch('SubscribeToX509Bundles', SubscribeToX509BundlesResponse)
    const own = ['spiffe://example.org', Uint8Array.of(1)] as const
    expect((await stream.next()).value.bundles).toEqual(new Map([own]))
    scene.update([{ ...web, federatesWith: [other] }], testBundle(1), testBundle(2, other))
    const foreign = ['spiffe://other.org', Uint8Array.of(2)] as const
    expect((await stream.next()).value.bundles).toEqual(new Map([own, foreign]))
    const keys = watch('SubscribeToJWTBundles', SubscribeToJWTBundlesResponse)
    const { value } = await keys.next()
    expect([...value.bundles.keys()]).toEqual(['spiffe://example.org', 'spiffe://other.org'])
  })

  it('is not told again what has not changed', async () => {
    const { scene, watch } = setUp()
    scene.update([web])
    const stream = watch('SubscribeToX509Bundles', SubscribeToX509BundlesResponse)
    await stream.next()
    const next = stream.next()
    scene.update([web, testAgentEntry('more')])
    scene.update([web], testBundle(5))
    expect((await next).value.bundles.get('spiffe://example.org')).toEqual(Uint8Array.of(5))
  })

  it('gets a JWT-SVID of one identity when it asks for that one, and of none but that one', async () => {
    const { scene, jwt } = setUp()
    scene.update([web, testAgentEntry('more')])
    expect((await jwt()).svids).toHaveLength(2)
    expect((await jwt({ spiffeId: 'spiffe://example.org/more' })).svids).toEqual([
      { spiffeId: 'spiffe://example.org/more', svid: 'more a', hint: '' },
    ])
    const unknown = jwt({ spiffeId: 'spiffe://example.org/nobody' })
    await expect(unknown).rejects.toMatchObject({ kind: 'permission-denied' })
    expect(await reasonsOf(unknown)).toEqual(['WORKLOAD_NOT_ENTITLED'])
    await expect(jwt({ spiffeId: 'nonsense' })).rejects.toMatchObject({ kind: 'invalid-argument' })
    await expect(jwt({ audience: [] })).rejects.toMatchObject({
      kind: 'invalid-argument',
      message: 'audience must be specified',
    })
  })
})

describe('what was found out about a workload', () => {
  it('is checked before every answer', async () => {
    const { scene, svids, jwt, workload } = setUp()
    scene.update([web])
    const stream = svids()
    await stream.next()
    workload.isSame = false
    scene.update([web, testAgentEntry('more')])
    await expect(stream.next()).rejects.toMatchObject({ kind: 'unavailable' })
    await expect(jwt()).rejects.toMatchObject({ kind: 'unavailable', message: 'runs another' })
    expect(workload.disposed).toBe(2)
  })

  it('ends the stream when the workload has ended, without anything new to tell', async () => {
    const { scene, svids, ending } = setUp()
    scene.update([web])
    const stream = svids()
    await stream.next()
    const next = stream.next()
    ending.abort(new WorkloadAttestationError('ERR_WORKLOAD_NOT_THERE', 'process 7 has ended'))
    await expect(next).rejects.toMatchObject({ kind: 'not-found', message: 'process 7 has ended' })
    expect(await reasonsOf(next)).toEqual(['WORKLOAD_NOT_FOUND'])
    expect(scene.cache.subscriberCount).toBe(0)
  })

  it.each([
    [
      new ReferenceAttestationError('not-found', 'pod shop/web not found on agent node'),
      { kind: 'not-found', message: 'pod shop/web not found on agent node' },
      ['WORKLOAD_NOT_FOUND'],
    ],
    [
      new ReferenceAttestationError('invalid-argument', 'object reference is missing type'),
      { kind: 'invalid-argument', message: 'object reference is missing type' },
      ['WORKLOAD_REFERENCE_INVALID'],
    ],
    [
      new ReferenceAttestationError('unavailable', 'no kubelet'),
      { kind: 'unavailable', message: 'no kubelet' },
      [],
    ],
    [
      new Error('opaque'),
      { kind: 'unauthenticated', message: 'workload attestation failed: opaque' },
      [],
    ],
  ])('is refused with the status of who refused it: %s', async (refusal, expected, reasons) => {
    const { jwt, workload } = setUp()
    workload.refusal = refusal
    const refused = jwt()
    await expect(refused).rejects.toMatchObject(expected)
    expect(await reasonsOf(refused)).toEqual(reasons)
  })
})

describe('a reference', () => {
  it.each([
    ['that is missing', undefined, 'workload reference must be provided'],
    [
      'without a type',
      { typeUrl: '', value: new Uint8Array() },
      'workload reference must be provided',
    ],
    ['to process 0', process(0), 'process ID 0 is not a positive integer'],
    ['to process -5', process(-5), 'process ID -5 is not a positive integer'],
    [
      'to a process, cut short',
      { typeUrl: pidType, value: Uint8Array.of(8, 0x80) },
      'unable to unmarshal PID reference: proto: cannot parse invalid wire-format data',
    ],
    [
      'to an object, nonsense',
      { typeUrl: `${prefix}KubernetesObjectReference`, value: Uint8Array.of(0xff) },
      'unable to unmarshal object reference: proto: cannot parse invalid wire-format data',
    ],
    [
      'whose type has a name without end',
      { typeUrl: 'x'.repeat(1_000_000), value: new Uint8Array() },
      'workload reference is too long',
    ],
    [
      'of a megabyte',
      { typeUrl: pidType, value: new Uint8Array(1_000_000) },
      'workload reference is too long',
    ],
  ])('%s leads to nobody', async (_what, reference, message) => {
    const { jwt, asked } = setUp()
    const refused = jwt({ reference: { reference } })
    await expect(refused).rejects.toMatchObject({ kind: 'invalid-argument', message })
    expect(await reasonsOf(refused)).toEqual(['WORKLOAD_REFERENCE_INVALID'])
    expect(asked).toEqual([])
    await expect(jwt({ reference: undefined })).rejects.toMatchObject({ kind: 'invalid-argument' })
  })

  it('to a Kubernetes object is read, and one of another kind is handed on as it came', async () => {
    const { scene, jwt, asked } = setUp()
    scene.update([web])
    const object = {
      type: { plural: 'pods', group: 'core' },
      key: { namespace: 'shop', name: 'web' },
      uid: 'u',
    }
    const value = KubernetesObjectReference.encode(object).finish()
    await jwt({
      reference: { reference: { typeUrl: `${prefix}KubernetesObjectReference`, value } },
    })
    const own = { typeUrl: 'example.org/own', value: Uint8Array.of(1, 2) }
    await jwt({ reference: { reference: own } })
    expect(asked).toMatchObject([
      { subject: { kind: 'kubernetes', object } },
      { typeUrl: own.typeUrl, encoded: own.value, subject: { kind: 'other' } },
    ])
  })

  it('of a type that is not in the list is refused, and so is one from afar that is only for neighbours', async () => {
    const { scene, jwt, caller, asked } = setUp([[pidType, false]])
    scene.update([web])
    await jwt()
    const denied = { kind: 'permission-denied' }
    await expect(
      jwt({ reference: { reference: { typeUrl: 'x', value: Uint8Array.of() } } }),
    ).rejects.toMatchObject({
      ...denied,
      message: `broker "${brokerId}" is not allowed to use reference type "x"`,
    })
    caller.peer = peerOf(brokerId, false)
    await expect(jwt()).rejects.toMatchObject({
      ...denied,
      message: `reference type "${pidType}" is not allowed over TCP for broker "${brokerId}"`,
    })
    expect(asked).toHaveLength(1)
  })

  it.each([
    ['nobody who is known', peerOf(undefined, true), 'unauthenticated'],
    [
      'a process without a certificate',
      { kind: 'unix', pid: 7, uid: 0, gid: 0, assertAlive: () => {} } as Peer,
      'unauthenticated',
    ],
    ['a broker that is in no list', peerOf('spiffe://example.org/x', true), 'permission-denied'],
    ['its namesake elsewhere', peerOf('spiffe://other.org/broker', true), 'permission-denied'],
  ])('from %s is refused', async (_who, peer, kind) => {
    const { jwt, caller, asked } = setUp()
    caller.peer = peer
    await expect(jwt()).rejects.toMatchObject({ kind })
    expect(asked).toEqual([])
  })
})

describe('a flood', () => {
  it('of streams ends where a broker has as many as one may have; others go on', async () => {
    const { scene, svids, jwt } = setUp()
    scene.update([web])
    const open = Array.from({ length: 4_096 }, () => svids())
    await Promise.all(open.map((stream) => stream.next()))
    await expect(svids().next()).rejects.toMatchObject({
      kind: 'resource-exhausted',
      message: 'a broker may have 4096 streams open',
    })
    await jwt()
    await open[0]?.return?.()
    expect((await svids().next()).value.svids).toHaveLength(1)
  })
})
