import { createPublicKey } from 'node:crypto'
import type { RequestListener } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { HttpClient } from '@mini-spire/runtime/http/http-client'
import { jwtAuthorityFromSpki, SpiffeBundle } from '@mini-spire/sdk/bundle'
import { SpiffeId, TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { TestCa } from '@mini-spire/sdk/testing'
import { pemEncode } from '@mini-spire/sdk/x509'
import type { EndpointProfile, FederationRelationship } from '../model/federation-relationship.ts'
import type { TrustBundle } from '../model/trust-bundle.ts'
import { Registry } from '../registry/registry.ts'
import { MemoryStore } from '../store/memory/memory-store.ts'
import { testCause } from '../store/store.test-kit.ts'
import type { Store } from '../store/store.ts'
import { trustBundleOf } from './spiffe-bundle.ts'

/** A foreign trust domain with a bundle endpoint that does whatever a test wants. */
export class ForeignDomain implements AsyncDisposable {
  readonly trustDomain: TrustDomain
  ca: TestCa
  /** What its endpoint answers. */
  answer: RequestListener = (_request, response) => {
    this.requests++
    response.end(this.document())
  }
  /** Requests that the usual answer has served. */
  requests = 0
  sequenceNumber: bigint | undefined = 1n
  refreshHintSeconds: number | undefined = 300
  readonly #name: string
  readonly #now: () => Date
  #server: Server | undefined
  #port = 0

  constructor(name: string, now: () => Date) {
    this.#name = name
    this.#now = now
    this.trustDomain = TrustDomain.parse(name)
    this.ca = TestCa.create(name, { now })
  }

  /** The bundle as it is now. */
  bundle(): SpiffeBundle {
    const { ca, sequenceNumber, refreshHintSeconds } = this
    return new SpiffeBundle(this.trustDomain, {
      x509Authorities: [ca.certificate],
      jwtAuthorities: [jwtAuthorityFromSpki(ca.jwtKeyId, publicPart(ca))],
      sequenceNumber,
      refreshHintSeconds,
    })
  }

  document(): string {
    return this.bundle().marshal()
  }

  /** New keys, and a sequence number that says so. */
  rotate(): void {
    this.ca = TestCa.create(this.#name, { now: this.#now })
    this.sequenceNumber = (this.sequenceNumber ?? 0n) + 1n
  }

  /** Serves the endpoint with an X509-SVID. Returns where. */
  async serve(
    id: string = `spiffe://${this.#name}/spire/server`,
    options: { readonly ttlSeconds?: number } = {},
  ): Promise<string> {
    this.#server?.close()
    const svid = this.ca.issueX509Svid(id, options)
    const server = createServer(
      {
        cert: svid.chain.map(({ raw }) => pemEncode('CERTIFICATE', raw)).join(''),
        key: svid.privateKey.export({ type: 'pkcs8', format: 'pem' }),
      },
      (request, response) => this.answer(request, response),
    )
    this.#server = server
    await new Promise<void>((resolve) => server.listen(this.#port, '127.0.0.1', resolve))
    this.#port = (server.address() as AddressInfo).port
    return this.url
  }

  get url(): string {
    return `https://127.0.0.1:${this.#port}/`
  }

  relationship(over: Partial<FederationRelationship> = {}): FederationRelationship {
    const profile: EndpointProfile = {
      kind: 'https_spiffe',
      endpointSpiffeId: SpiffeId.fromPath(this.trustDomain, '/spire/server'),
    }
    return { trustDomain: this.trustDomain, bundleEndpointUrl: this.url, profile, ...over }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server?.closeAllConnections()
    await new Promise((resolve) => (this.#server ? this.#server.close(resolve) : resolve(null)))
  }
}

function publicPart(ca: TestCa): Buffer {
  return createPublicKey(ca.jwtKey).export({ type: 'spki', format: 'der' })
}

/** A server's view of other trust domains: real store and registry, real requests, time that stands still. */
export class FederationScene implements AsyncDisposable {
  readonly clock: FakeClock = new FakeClock()
  readonly registry: Registry = new Registry({ clock: this.clock })
  readonly store: Store = MemoryStore.create({ clock: this.clock })
  readonly http: HttpClient = new HttpClient({ environment: {}, clock: this.clock })

  static async open(): Promise<FederationScene> {
    const scene = new FederationScene()
    await scene.store.open((changes) => scene.registry.apply(changes))
    return scene
  }

  async put(bundle: TrustBundle | SpiffeBundle): Promise<void> {
    const value = bundle instanceof SpiffeBundle ? trustBundleOf(bundle) : bundle
    const key = value.trustDomain.name
    const mutations = [{ op: 'put', kind: 'bundle', key, value, expect: 'any' }] as const
    const [error] = await this.store.commit([{ cause: testCause, mutations }])
    if (error) throw error
  }

  async relate(relationship: FederationRelationship, isGone = false): Promise<void> {
    const key = relationship.trustDomain.name
    const kind = 'federation-relationship'
    const mutation = isGone
      ? ({ op: 'delete', kind, key, expect: 'any' } as const)
      : ({ op: 'put', kind, key, value: relationship, expect: 'any' } as const)
    const [error] = await this.store.commit([{ cause: testCause, mutations: [mutation] }])
    if (error) throw error
  }

  find(name: string): TrustBundle | undefined {
    return this.registry.bundles.find(name)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store.close()
  }
}
