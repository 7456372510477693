import { type ClientOf, createClient } from '@mini-spire/runtime/grpc/client'
import {
  BatchCreateFederationRelationshipRequest,
  BatchUpdateFederationRelationshipRequest,
  TrustDomainService,
} from '@mini-spire/runtime/proto/spire/api/server/trustdomain/v1/trustdomain'
import {
  FederationRelationship,
  FederationRelationshipMask,
} from '@mini-spire/runtime/proto/spire/api/types/federationrelationship'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { TestCa } from '@mini-spire/sdk/testing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { BundleEndpointError } from '../../federation/bundle-endpoint-error.ts'
import { testDomain } from '../../store/store.test-kit.ts'
import { ApiScene, failureOf } from '../api.test-kit.ts'
import { trustDomainService } from './service.ts'

type Input = NonNullable<Parameters<typeof FederationRelationship.fromPartial>[0]>

const asn1 = TestCa.create('other.org').certificate.raw
const ok = { code: 0, message: 'OK' }
const web = { $case: 'httpsWeb', httpsWeb: {} } as const
const spiffe = (endpointSpiffeId: string) =>
  ({ $case: 'httpsSpiffe', httpsSpiffe: { endpointSpiffeId } }) as const
const other = (over: Input = {}): Input => ({
  trustDomain: 'other.org',
  bundleEndpointUrl: 'https://other.org/bundle',
  bundleEndpointProfile: web,
  ...over,
})
const nothing = FederationRelationshipMask.fromPartial({})
const page = (pageSize: number, pageToken = '') => ({ outputMask: nothing, pageSize, pageToken })

let scene: ApiScene
let client: ClientOf<typeof TrustDomainService>
let reloads: number
let refresh: (trustDomain: TrustDomain) => Promise<boolean>
beforeEach(async () => {
  scene = new ApiScene()
  reloads = 0
  refresh = () => Promise.resolve(false)
  const channel = await scene.serve(({ registry, store }) =>
    trustDomainService({
      trustDomain: testDomain,
      state: { registry, store },
      follower: {
        reload: () => {
          reloads++
        },
        refresh: (trustDomain) => refresh(trustDomain),
      },
    }),
  )
  client = createClient(TrustDomainService, channel)
})
afterEach(async () => {
  await scene[Symbol.asyncDispose]()
})

async function create(...federationRelationships: Input[]) {
  const request = BatchCreateFederationRelationshipRequest.fromPartial({ federationRelationships })
  return (await client.batchCreateFederationRelationship(request)).results
}

async function update(relationship: Input, inputMask?: Partial<FederationRelationshipMask>) {
  const request = BatchUpdateFederationRelationshipRequest.fromPartial({
    federationRelationships: [relationship],
    ...(inputMask && { inputMask }),
  })
  const [result] = (await client.batchUpdateFederationRelationship(request)).results
  if (!result) throw new Error('no result')
  return result
}

const get = (trustDomain: string) =>
  client.getFederationRelationship({ trustDomain, outputMask: undefined })

describe('a relationship', () => {
  it.each<[string, Input, string]>([
    ['a bad name', { trustDomain: 'Other.org' }, 'failed to parse trust domain: '],
    ['no name', { trustDomain: '' }, 'failed to parse trust domain: '],
    ['no URL', { bundleEndpointUrl: '' }, 'bundle endpoint URL must use the https scheme'],
    [
      'a URL that is none',
      { bundleEndpointUrl: 'https://h:x' },
      'failed to parse bundle endpoint URL: parse "https://h:x": invalid port ":x" after host',
    ],
    [
      'plain http',
      { bundleEndpointUrl: 'http://other.org' },
      'bundle endpoint URL must use the https scheme',
    ],
    [
      'a URL without host',
      { bundleEndpointUrl: 'https:///x' },
      'bundle endpoint URL must specify the host',
    ],
    [
      'a URL with a password',
      { bundleEndpointUrl: 'https://a:b@other.org' },
      'bundle endpoint URL must not contain user info',
    ],
    [
      'no profile',
      { bundleEndpointProfile: undefined },
      'unsupported bundle endpoint profile type: <nil>',
    ],
    [
      'an endpoint ID that is none',
      { bundleEndpointProfile: spiffe('other.org') },
      'failed to parse endpoint SPIFFE ID: scheme is missing or invalid',
    ],
    [
      'a bundle that is none',
      {
        trustDomainBundle: { trustDomain: 'other.org', x509Authorities: [{ asn1: Buffer.of(1) }] },
      },
      'failed to parse bundle: unable to parse X.509 authority: ',
    ],
    [
      'the bundle of another',
      { trustDomainBundle: { trustDomain: 'third.org' } },
      'trust domain bundle ("third.org") must match the trust domain of the federation relationship ("other.org")',
    ],
  ])('with %s is refused, and nothing is stored', async (_, over, why) => {
    const [result] = await create(other(over))
    expect(result?.status?.code).toBe(3)
    expect(result?.status?.message).toContain(`failed to convert federation relationship: ${why}`)
    expect(result?.federationRelationship).toBeUndefined()
    expect([...scene.registry.relationships.values()]).toEqual([])
    expect([...scene.registry.bundles.values()]).toEqual([])
    expect(reloads).toBe(0)
  })

  it('with the own trust domain is refused', async () => {
    const [result] = await create(other({ trustDomain: testDomain.name }))
    expect(result?.status).toEqual({
      code: 3,
      message: 'unable to create federation relationship for server trust domain',
    })
  })

  it('is made once, its bundle with it; one bad item does not stop the others', async () => {
    const trustDomainBundle = { trustDomain: 'other.org', x509Authorities: [{ asn1 }] }
    const [first, bad, second] = await create(
      other({ trustDomainBundle }),
      other({ bundleEndpointUrl: 'ftp://x' }),
      other({ bundleEndpointProfile: spiffe('spiffe://third.org/x') }),
    )
    expect(first?.status).toEqual(ok)
    expect(first?.federationRelationship).toMatchObject(other({ trustDomainBundle }))
    expect(bad?.status?.code).toBe(3)
    expect(second?.status).toEqual({
      code: 13,
      message:
        'failed to create federation relationship: datastore-sql: UNIQUE constraint failed: federated_trust_domains.trust_domain',
    })
    expect(scene.registry.bundles.find('other.org')?.x509Authorities).toHaveLength(1)
    expect(reloads).toBe(1)
    expect(scene.audit.items.map(({ status }) => status.code)).toEqual([0, 3, 13])
    expect(scene.audit.items[0]?.fields).toMatchObject({
      trust_domain_id: 'other.org',
      bundle_endpoint_url: 'https://other.org/bundle',
      bundle_endpoint_profile: 'https_web',
      bundle_trust_domain_id: 'other.org',
    })
    expect((await get('other.org')).bundleEndpointProfile).toEqual(web)
  })

  it('whose bundle cannot be stored with it is not stored either', async () => {
    await create(other())
    const trustDomainBundle = { trustDomain: 'other.org', x509Authorities: [{ asn1 }] }
    await create(other({ trustDomainBundle }))
    expect(scene.registry.bundles.find('other.org')).toBeUndefined()
  })

  it('says the stored bundle when it is asked for, and only what the mask selects', async () => {
    await create(other({ trustDomainBundle: { trustDomain: 'other.org' } }))
    expect(await get('spiffe://other.org')).toMatchObject({
      trustDomain: 'other.org',
      trustDomainBundle: { trustDomain: 'other.org' },
    })
    const masked = { trustDomain: 'other.org', outputMask: nothing }
    expect(await client.getFederationRelationship(masked)).toEqual(
      FederationRelationship.fromPartial({ trustDomain: 'other.org' }),
    )
  })

  it('that does not exist is not found', async () => {
    expect(await failureOf(get('other.org'))).toEqual({
      code: 5,
      message: 'federation relationship does not exist',
    })
    expect(await failureOf(get('x y'))).toMatchObject({
      code: 3,
      message: expect.stringContaining('failed to parse trust domain: '),
    })
  })
})

describe('an update', () => {
  it('replaces all without a mask, and only what a mask selects', async () => {
    await create(other({ bundleEndpointProfile: spiffe('spiffe://third.org/x') }))
    const change = other({
      bundleEndpointUrl: 'https://new.org',
      trustDomainBundle: { trustDomain: 'other.org', refreshHint: 7n },
    })
    const masked = await update(change, { bundleEndpointUrl: true })
    expect(masked.status).toEqual(ok)
    expect(masked.federationRelationship).toMatchObject({
      bundleEndpointUrl: 'https://new.org',
      bundleEndpointProfile: spiffe('spiffe://third.org/x'),
      trustDomainBundle: undefined,
    })
    expect((await update(change)).federationRelationship).toMatchObject(change)
    expect(scene.registry.bundles.find('other.org')?.refreshHintSeconds).toBe(7)
    expect(reloads).toBe(3)
  })

  it('checks the whole message whatever the mask says', async () => {
    await create(other())
    const result = await update(other({ bundleEndpointUrl: 'http://x' }), {
      trustDomainBundle: true,
    })
    expect(result.status?.message).toBe(
      'failed to convert federation relationship: bundle endpoint URL must use the https scheme',
    )
  })

  it('of one that does not exist fails as SPIRE says it', async () => {
    expect((await update(other())).status).toEqual({
      code: 13,
      message:
        'failed to update federation relationship: unable to fetch federation relationship: record not found',
    })
    expect(reloads).toBe(0)
  })
})

describe('the list', () => {
  it('comes in creation order and in pages, the last of which is empty', async () => {
    const names = ['c.org', 'a.org', 'b.org']
    await create(...names.map((trustDomain) => other({ trustDomain })))
    const listed: string[][] = []
    let pageToken = ''
    do {
      const reply = await client.listFederationRelationships(page(2, pageToken))
      listed.push(reply.federationRelationships.map(({ trustDomain }) => trustDomain))
      pageToken = reply.nextPageToken
    } while (pageToken !== '')
    expect(listed).toEqual([['c.org', 'a.org'], ['b.org'], []])
    const whole = await client.listFederationRelationships(page(0, 'ignored'))
    expect(whole.federationRelationships).toHaveLength(3)
    expect(whole.nextPageToken).toBe('')
  })

  it('refuses a token that is none', async () => {
    expect(await failureOf(client.listFederationRelationships(page(1, 'bogus')))).toEqual({
      code: 13,
      message: "failed to list federation relationships: could not parse token 'bogus'",
    })
  })
})

describe('a deletion', () => {
  it('ends a relationship and leaves its bundle', async () => {
    await create(other({ trustDomainBundle: { trustDomain: 'other.org' } }))
    const trustDomains = ['', 'x y', 'spiffe://other.org', 'other.org']
    const { results } = await client.batchDeleteFederationRelationship({ trustDomains })
    expect(results).toMatchObject([
      { status: { code: 3, message: 'missing trust domain' }, trustDomain: '' },
      { status: { code: 3 }, trustDomain: 'x y' },
      { status: ok, trustDomain: 'other.org' },
      {
        status: { code: 5, message: 'federation relationship not found' },
        trustDomain: 'other.org',
      },
    ])
    expect(scene.registry.bundles.find('other.org')).toBeDefined()
    expect(reloads).toBe(2)
  })
})

describe('a refresh', () => {
  it('fetches what is followed, and says when nothing is', async () => {
    expect(await failureOf(client.refreshBundle({ trustDomain: 'other.org' }))).toEqual({
      code: 5,
      message: 'no relationship with trust domain "other.org"',
    })
    const asked: string[] = []
    refresh = ({ name }) => {
      asked.push(name)
      return Promise.resolve(true)
    }
    await client.refreshBundle({ trustDomain: 'other.org' })
    expect(asked).toEqual(['other.org'])
  })

  it('says why a bundle could not be had', async () => {
    refresh = () =>
      Promise.reject(new BundleEndpointError('ERR_BUNDLE_ENDPOINT_STATUS', 'it was away'))
    expect(await failureOf(client.refreshBundle({ trustDomain: 'other.org' }))).toEqual({
      code: 13,
      message: 'failed to refresh bundle: it was away',
    })
    expect(await failureOf(client.refreshBundle({ trustDomain: '' }))).toMatchObject({ code: 3 })
  })
})
