import type { RequestListener } from 'node:http'
import { SpiffeId, TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { TestCa } from '@mini-spire/sdk/testing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Cidr } from '../model/cidr.ts'
import { testDomain } from '../store/store.test-kit.ts'
import type { Store } from '../store/store.ts'
import { StoreError } from '../store/store-error.ts'
import { FederationScene, ForeignDomain } from './federation.test-kit.ts'
import { BundleFetcher } from './fetch-bundle.ts'
import { refreshBundle } from './refresh-bundle.ts'
import { RemoteAddresses } from './remote-addresses.ts'

let scene: FederationScene
let other: ForeignDomain
beforeEach(async () => {
  scene = await FederationScene.open()
  other = new ForeignDomain('other.org', () => scene.clock.now())
})
afterEach(async () => {
  await other[Symbol.asyncDispose]()
  await scene[Symbol.asyncDispose]()
})

function refresh(
  relationship = other.relationship(),
  allowed: readonly Cidr[] = [],
  store: Pick<Store, 'commit'> = scene.store,
) {
  const fetcher = new BundleFetcher({
    http: scene.http,
    findBundle: (name) => scene.find(name),
    remoteAddresses: new RemoteAddresses({ allowed }),
    clock: scene.clock,
  })
  const { registry } = scene
  const options = { ownTrustDomain: testDomain, state: { registry, store }, fetcher }
  return refreshBundle(options, relationship)
}

const says =
  (body: string | Uint8Array, status = 200): RequestListener =>
  (_request, response) => {
    response.writeHead(status).end(body)
  }

describe('a bundle endpoint that lies', () => {
  beforeEach(async () => {
    await other.serve()
    await scene.put(other.bundle())
  })

  /** The refresh fails with this code, the bundle stays, and nothing of the answer is told. */
  async function expectRefused(code: string, relationship = other.relationship()) {
    const before = scene.find('other.org')
    const failure: unknown = await refresh(relationship).then(
      () => undefined,
      (error: unknown) => error,
    )
    expect(failure).toMatchObject({ code })
    expect(String(failure)).not.toContain('canary')
    expect(scene.find('other.org')).toBe(before)
    return String(failure)
  }

  it('about its ID is refused [SPIFFE Federation 5.2.2]', async () => {
    await other.serve('spiffe://other.org/spire/agent')
    const message = await expectRefused('ERR_BUNDLE_ENDPOINT_FAILED')
    expect(message).toContain('unexpected ID "spiffe://other.org/spire/agent"')
  })

  it('with a certificate that has expired is refused', async () => {
    await other.serve(undefined, { ttlSeconds: 60 })
    scene.clock.advance(61_000)
    expect(await expectRefused('ERR_BUNDLE_ENDPOINT_FAILED')).toContain('expired')
  })

  it('with keys that nobody knows is refused', async () => {
    other.rotate()
    await other.serve()
    await expectRefused('ERR_BUNDLE_ENDPOINT_FAILED')
  })

  it('with the right ID under the root of another trust domain is refused [invariant 4]', async () => {
    const third = TestCa.create('third.org', { now: () => scene.clock.now() })
    const { ca } = other
    await scene.put(new ForeignDomain('third.org', () => scene.clock.now()).bundle())
    other.ca = third
    await other.serve('spiffe://other.org/spire/server')
    other.ca = ca
    await expectRefused('ERR_BUNDLE_ENDPOINT_FAILED')
  })

  it('without a bundle of its own trust domain is not even asked', async () => {
    const endpointSpiffeId = SpiffeId.parse('spiffe://third.org/endpoint')
    const profile = { kind: 'https_spiffe', endpointSpiffeId } as const
    const message = await expectRefused(
      'ERR_BUNDLE_ENDPOINT_NOT_TRUSTED',
      other.relationship({ profile }),
    )
    expect(message).toContain("can't perform SPIFFE Authentication: local copy of bundle not found")
    expect(other.requests).toBe(0)
  })

  it('with an X509-SVID where a certificate of the web is expected is refused', async () => {
    const web = other.relationship({ profile: { kind: 'https_web' } })
    await expectRefused('ERR_BUNDLE_ENDPOINT_FAILED', web)
  })

  it.each<[string, string, RequestListener]>([
    ['another status', 'ERR_BUNDLE_ENDPOINT_STATUS', says('canary', 404)],
    ['too much', 'ERR_BUNDLE_ENDPOINT_FAILED', says(Buffer.alloc(5 * 1024 * 1024, 'canary'))],
    ['what is not JSON', 'ERR_BUNDLE_ENDPOINT_DOCUMENT', says('canary')],
    ['nothing', 'ERR_BUNDLE_ENDPOINT_DOCUMENT', says('')],
    ['what is not UTF-8', 'ERR_BUNDLE_ENDPOINT_DOCUMENT', says(Buffer.of(0xff, 0xfe))],
    ['no keys', 'ERR_BUNDLE_ENDPOINT_DOCUMENT', says('{"canary":1}')],
    ['keys twice', 'ERR_BUNDLE_ENDPOINT_DOCUMENT', says('{"keys":[],"keys":["canary"]}')],
    [
      'a certificate that is none',
      'ERR_BUNDLE_ENDPOINT_DOCUMENT',
      says('{"keys":[{"use":"x509-svid","kty":"EC","x5c":["Y2FuYXJ5"]}]}'),
    ],
    [
      'a sequence number that is none',
      'ERR_BUNDLE_ENDPOINT_DOCUMENT',
      says('{"keys":[],"spiffe_sequence":-1}'),
    ],
    [
      'a body that breaks off',
      'ERR_BUNDLE_ENDPOINT_FAILED',
      (_request, response) => {
        response.writeHead(200, { 'content-length': 1000 }).write('{"keys":[]}')
        response.destroy()
      },
    ],
  ])('and answers %s is refused', async (_, code, answer) => {
    other.answer = answer
    await expectRefused(code)
  })

  it('and takes back what it published is refused [SPIFFE Federation 4.2]', async () => {
    other.rotate()
    await scene.put(other.bundle())
    other.sequenceNumber = 1n
    await other.serve()
    const message = await expectRefused('ERR_BUNDLE_ENDPOINT_REWOUND')
    expect(message).toContain('sequence number 1, older than the stored 2')
  })

  it('and shows the root of another trust domain that is known is refused', async () => {
    const third = new ForeignDomain('third.org', () => scene.clock.now())
    await scene.put(third.bundle())
    other.sequenceNumber = 9n
    const { ca } = other
    other.answer = (_request, response) => {
      other.ca = third.ca
      response.end(other.document())
      other.ca = ca
    }
    const message = await expectRefused('ERR_BUNDLE_ENDPOINT_FOREIGN_KEY')
    expect(message).toContain('"third.org"')
  })

  it('and shows our own JWT key is refused', async () => {
    const own = new ForeignDomain(testDomain.name, () => scene.clock.now())
    await scene.put(own.bundle())
    const document = JSON.parse(own.document()) as { keys: { use: string }[] }
    const keys = document.keys.filter(({ use }) => use === 'jwt-svid')
    other.answer = says(JSON.stringify({ keys, spiffe_sequence: 9 }))
    const message = await expectRefused('ERR_BUNDLE_ENDPOINT_FOREIGN_KEY')
    expect(message).toContain('a JWT authority of this trust domain')
  })

  it('and redirects into our network, to no end, or in the clear is refused', async () => {
    const elsewhere =
      (location: string): RequestListener =>
      (_request, response) => {
        response.writeHead(302, { location }).end('canary')
      }
    other.answer = elsewhere(other.url)
    expect(await expectRefused('ERR_BUNDLE_ENDPOINT_FAILED')).toContain(
      'a redirect may not lead to 127.0.0.1',
    )
    other.answer = elsewhere('http://127.0.0.1/')
    await expectRefused('ERR_BUNDLE_ENDPOINT_FAILED')
    other.answer = elsewhere(other.url.replace('//', '//user:canary@'))
    expect(await expectRefused('ERR_BUNDLE_ENDPOINT_FAILED')).toContain('user info')
    other.answer = elsewhere(other.url)
    await expect(refresh(undefined, ['127.0.0.0/8'])).rejects.toThrow('more often than 3 times')
  })

  it('behind a redirect proves itself as the first one has to', async () => {
    const third = new ForeignDomain('third.org', () => scene.clock.now())
    await using liar = third
    const location = await third.serve('spiffe://other.org/spire/server')
    other.answer = (_request, response) => {
      response.writeHead(302, { location }).end()
    }
    await expect(refresh(undefined, ['127.0.0.1/32'])).rejects.toMatchObject({
      code: 'ERR_BUNDLE_ENDPOINT_FAILED',
    })
    expect(liar.requests).toBe(0)
  })
})

describe('a bundle endpoint', () => {
  it('is believed by the bundle of its own trust domain, and its bundle stored once', async () => {
    await other.serve()
    const trusted = other.bundle()
    await scene.put(trusted)
    other.sequenceNumber = 2n
    expect(await refresh()).toMatchObject({ sequenceNumber: 2, refreshHintSeconds: 300 })
    const stored = scene.find('other.org')
    expect(await refresh()).toBeUndefined()
    expect(scene.find('other.org')).toBe(stored)
    expect(other.requests).toBe(2)
  })

  it('whose bundle cannot be stored leaves the one that is there', async () => {
    await other.serve()
    await scene.put(other.bundle())
    const before = scene.find('other.org')
    other.sequenceNumber = 2n
    const full = new StoreError('ERR_STORE_UNAVAILABLE', 'no space left on device')
    const store = { commit: () => Promise.reject(full) }
    await expect(refresh(undefined, [], store)).rejects.toMatchObject({
      code: 'ERR_BUNDLE_ENDPOINT_NOT_STORED',
      message: 'failed to store fetched federated bundle: no space left on device',
    })
    expect(scene.find('other.org')).toBe(before)
  })

  it('of a third trust domain may serve the bundle', async () => {
    const third = new ForeignDomain('third.org', () => scene.clock.now())
    await using server = third
    server.answer = (_request, response) => {
      response.end(other.document())
    }
    await server.serve('spiffe://third.org/cdn')
    await scene.put(third.bundle())
    const endpointSpiffeId = SpiffeId.parse('spiffe://third.org/cdn')
    const relationship = other.relationship({
      bundleEndpointUrl: third.url,
      profile: { kind: 'https_spiffe', endpointSpiffeId },
    })
    expect(await refresh(relationship)).toMatchObject({ sequenceNumber: 1 })
  })

  it('is followed through a redirect to where we allow it', async () => {
    await other.serve()
    await scene.put(other.bundle())
    other.sequenceNumber = 2n
    other.answer = (request, response) => {
      if (request.url === '/moved') return response.end(other.document())
      return response.writeHead(307, { location: '/moved' }).end()
    }
    expect(await refresh(undefined, ['127.0.0.1/32'])).toMatchObject({ sequenceNumber: 2 })
  })

  it('that leaves out the sequence number is up to date [SPIFFE Federation 4.2]', async () => {
    await other.serve()
    await scene.put(other.bundle())
    other.sequenceNumber = undefined
    expect(await refresh()).toMatchObject({ sequenceNumber: 0 })
  })

  it('that has nothing left to trust is taken at its word [SPIFFE Trust Domain and Bundle 4.1.3]', async () => {
    await other.serve()
    await scene.put(other.bundle())
    other.answer = says('{"keys":[{"use":"new-svid","kty":"EC"}],"spiffe_sequence":2}')
    expect(await refresh()).toMatchObject({ x509Authorities: [], jwtAuthorities: [] })
  })
})

describe('addresses that a remote party may choose', () => {
  it.each([
    ['127.0.0.1', false],
    ['10.1.2.3', false],
    ['169.254.169.254', false],
    ['::1', false],
    ['::', false],
    ['::ffff:10.0.0.1', false],
    ['64:ff9b::a00:1', false],
    ['::10.0.0.1', false],
    ['::ffff:0:10.0.0.1', false],
    ['2001:0:102:304:0:ffff:f5ff:fffe', false],
    ['64:ff9b:1::8.8.8.8', false],
    ['2002:a00:1::', false],
    ['64:ff9b::c0a8:707', false],
    ['fd00::1', false],
    ['fe80::1', false],
    ['224.0.0.1', false],
    ['255.255.255.255', false],
    ['not an address', false],
    ['192.168.7.7', true],
    ['8.8.8.8', true],
    ['2001:4860:4860::8888', true],
  ])('%s: %s', (address, may) => {
    const addresses = new RemoteAddresses({ allowed: ['192.168.7.0/24'] })
    expect(addresses.mayLeadTo(address)).toBe(may)
  })
})

it('a relationship says whose bundle it is: the document cannot', async () => {
  await other.serve()
  await scene.put(other.bundle())
  const trustDomain = TrustDomain.parse('fourth.org')
  await expect(refresh(other.relationship({ trustDomain }))).rejects.toMatchObject({
    code: 'ERR_BUNDLE_ENDPOINT_FOREIGN_KEY',
  })
})
