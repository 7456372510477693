import type { CallContext } from '@mini-spire/runtime/grpc/call-context'
import type { BidiHandler, UnaryHandler } from '@mini-spire/runtime/grpc/service'
import { Node } from '@mini-spire/runtime/proto/envoy/config/core/v3/base'
import { Secret } from '@mini-spire/runtime/proto/envoy/extensions/transport_sockets/tls/v3/secret'
import { SPIFFECertValidatorConfig } from '@mini-spire/runtime/proto/envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config'
import {
  DiscoveryRequest,
  type DiscoveryResponse,
} from '@mini-spire/runtime/proto/envoy/service/discovery/v3/discovery'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { describe, expect, it } from 'vitest'
import { ApiScene, testAgentEntry, testBundle } from '../api-scene.test-kit.ts'
import { SdsApi } from './service.ts'

const service = '/envoy.service.secret.v3.SecretDiscoveryService'
const other = TrustDomain.parse('other.org')
const ids = { a: 'spiffe://example.org/a', b: 'spiffe://example.org/b' }
const entries = [testAgentEntry('a'), testAgentEntry('b', { federatesWith: [other] })]

type Names = readonly string[]
type Fields = Parameters<typeof DiscoveryRequest.fromPartial>[0]

function request(names: Names, fields: Fields = {}): DiscoveryRequest {
  return DiscoveryRequest.fromPartial({ resourceNames: [...names], typeUrl: 'T', ...fields })
}

function setUp(options: { readonly isDisabled?: boolean; readonly perSecond?: number } = {}) {
  const { perSecond = 0 } = options
  const scene = new ApiScene(new Map([[`${service}/StreamSecrets`, perSecond]]))
  let nonces = 0
  const api = new SdsApi({
    callers: scene.callers,
    cache: scene.cache,
    requestSvids: () => {},
    names: { svid: 'default', bundle: 'ROOTCA', allBundles: 'ALL' },
    isSpiffeValidationDisabled: options.isDisabled ?? false,
    nonce: () => `nonce-${++nonces}`,
  })
  const fetch = async (names: Names, fields: Fields = {}): Promise<DiscoveryResponse> => {
    const path = `${service}/FetchSecrets`
    const { handle } = scene.method(api.bind(), path)
    const unary = handle as UnaryHandler<CallContext, DiscoveryRequest, DiscoveryResponse>
    return (await unary(scene.context(path), request(names, fields))) as DiscoveryResponse
  }
  const open = (): SdsStream => {
    const path = `${service}/StreamSecrets`
    const { handle } = scene.method(api.bind(), path)
    return new SdsStream((asked) =>
      (handle as BidiHandler<CallContext, DiscoveryRequest, DiscoveryResponse>)(
        scene.context(path),
        asked,
      ),
    )
  }
  return { scene, fetch, open }
}

/** A proxy's end of a stream. */
class SdsStream {
  readonly answers: DiscoveryResponse[] = []
  failure: unknown
  hasEnded = false
  readonly #asked: DiscoveryRequest[] = []
  #isOver = false
  #wake: () => void = () => {}

  constructor(open: (asked: AsyncIterable<DiscoveryRequest>) => AsyncIterable<unknown>) {
    void this.#read(open(this.#requests()))
  }

  async ask(names: Names, fields: Fields = {}): Promise<void> {
    this.#asked.push(request(names, fields))
    this.#wake()
    await settle()
  }

  /** Acknowledges the last answer, asking for these names from now on. */
  ack(names: Names, fields: Fields = {}): Promise<void> {
    const { versionInfo, nonce } = this.last
    return this.ask(names, { versionInfo, responseNonce: nonce, ...fields })
  }

  async end(): Promise<void> {
    this.#isOver = true
    this.#wake()
    await settle()
  }

  get last(): DiscoveryResponse {
    const last = this.answers.at(-1)
    if (!last) throw new Error('nothing was answered')
    return last
  }

  async #read(answers: AsyncIterable<unknown>): Promise<void> {
    try {
      for await (const answer of answers) this.answers.push(answer as DiscoveryResponse)
    } catch (error) {
      this.failure = error
    }
    this.hasEnded = true
  }

  async *#requests(): AsyncGenerator<DiscoveryRequest, void> {
    for (;;) {
      const next = this.#asked.shift()
      if (next) yield next
      else if (this.#isOver) return
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
    }
  }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 8; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** Secrets in few words: names, and of bundles whether they are for the validator and of which domains. */
function told({ resources }: DiscoveryResponse): readonly string[] {
  return resources.map(({ typeUrl, value }) => {
    expect(typeUrl).toBe('type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret')
    const { name, type } = Secret.decode(value)
    if (type?.$case === 'tlsCertificate') return `${name}: certificate`
    const context = type?.$case === 'validationContext' ? type.validationContext : undefined
    const custom = context?.customValidatorConfig
    if (!custom) return `${name}: roots`
    expect(custom.name).toBe('envoy.tls.cert_validator.spiffe')
    const { trustDomains } = SPIFFECertValidatorConfig.decode(
      custom.typedConfig?.value ?? new Uint8Array(),
    )
    return `${name}: ${trustDomains.map((one) => one.name).join(' ')}`
  })
}

const own = 'spiffe://example.org'

describe('a proxy that asks once', () => {
  it('for nothing by name gets everything it may have, and for no more than that', async () => {
    const { scene, fetch } = setUp()
    scene.update(entries, testBundle(1), testBundle(2, other))
    const answer = await fetch([])
    expect(told(answer)).toEqual([
      `${own}: example.org`,
      'spiffe://other.org: other.org',
      `${ids.a}: certificate`,
      `${ids.b}: certificate`,
    ])
    expect(answer).toMatchObject({ versionInfo: '', nonce: '', typeUrl: 'T' })
  })

  it.each([
    [
      ['default', 'ROOTCA'],
      ['ROOTCA: example.org', 'default: certificate'],
    ],
    [['ALL'], ['ALL: example.org other.org']],
    [
      [ids.b, 'default', ''],
      ['default: certificate', `${ids.b}: certificate`],
    ],
    [['spiffe://other.org'], ['spiffe://other.org: other.org']],
  ])('for %j gets that', async (names, expected) => {
    const { scene, fetch } = setUp()
    scene.update(entries, testBundle(1), testBundle(2, other))
    expect(told(await fetch(names))).toEqual(expected)
  })

  it.each([
    [['x', 'default'], '["x"]'],
    [['spiffe://example.org/b"', 'a'], '["a" "spiffe://example.org/b\\""]'],
    [[own, 'ROOTCA', 'ALL'], '["ALL" "ROOTCA"]'],
    [[ids.a, 'default'], '["default"]'],
    [['spiffe://third.org'], '["spiffe://third.org"]'],
  ])('for %j is refused what is not its own, or answered already', async (names, left) => {
    const { scene, fetch } = setUp()
    scene.update(entries, testBundle(1), testBundle(2, other))
    await expect(fetch(names)).rejects.toMatchObject({
      kind: 'invalid-argument',
      message: `workload is not authorized for the requested identities ${left}`,
    })
  })

  it('and has no identity gets the own bundle, and no identity', async () => {
    const { scene, fetch } = setUp()
    scene.update([testAgentEntry('c', { selectors: [{ type: 'unix', value: 'uid:0' }] })])
    expect(told(await fetch([]))).toEqual([`${own}: example.org`])
    await expect(fetch(['default'])).rejects.toMatchObject({ kind: 'invalid-argument' })
    await expect(fetch(['spiffe://example.org/c'])).rejects.toMatchObject({
      kind: 'invalid-argument',
    })
  })

  it('and became another process meanwhile gets nothing [gate 12]', async () => {
    const { scene, fetch } = setUp()
    scene.update(entries)
    scene.process.isSame = false
    await expect(fetch([])).rejects.toMatchObject({ message: 'workload attestation failed' })
  })

  it('gets chain and key in PEM', async () => {
    const { scene, fetch } = setUp()
    scene.update(entries)
    const [first] = (await fetch(['default'])).resources
    const { type } = Secret.decode(first?.value ?? new Uint8Array())
    const texts = type?.$case === 'tlsCertificate' ? type.tlsCertificate : undefined
    const text = (source: typeof texts extends undefined ? never : unknown): string => {
      const { specifier } = source as { specifier: { inlineBytes: Uint8Array } }
      return Buffer.from(specifier.inlineBytes).toString()
    }
    expect(text(texts?.certificateChain)).toBe(
      '-----BEGIN CERTIFICATE-----\nAQ==\n-----END CERTIFICATE-----\n',
    )
    expect(text(texts?.privateKey)).toBe(
      '-----BEGIN PRIVATE KEY-----\nAg==\n-----END PRIVATE KEY-----\n',
    )
  })
})

const version = (majorNumber: number, minorNumber: number) =>
  Node.fromPartial({
    userAgentVersionType: {
      $case: 'userAgentBuildVersion',
      userAgentBuildVersion: { version: { majorNumber, minorNumber } },
    },
  })
const metadata = (value: unknown) =>
  Node.fromPartial({ metadata: { disable_spiffe_cert_validation: value } })

describe('a bundle', () => {
  it.each([
    ['by default', undefined, false, 'example.org'],
    ['when it is switched off', undefined, true, 'roots'],
    ['when the proxy wants none', metadata(true), false, 'roots'],
    ['when the proxy wants none, in words', metadata('t'), false, 'roots'],
    ['when the proxy wants it all the same', metadata('False'), true, 'example.org'],
    ['when the proxy says nothing to be understood', metadata('yes'), true, 'roots'],
    ['when the proxy says a number', metadata(1), false, 'example.org'],
    ['for Envoy 1.17', version(1, 17), false, 'roots'],
    ['for Envoy 1.18', version(1, 18), false, 'example.org'],
    ['for Envoy 2.0', version(2, 0), false, 'example.org'],
    ['for Envoy 0.20', version(0, 20), false, 'roots'],
  ])('is for the validator or plain roots, %s', async (_when, node, isDisabled, expected) => {
    const { scene, fetch } = setUp({ isDisabled })
    scene.update([])
    expect(told(await fetch(['ROOTCA'], { node }))).toEqual([`ROOTCA: ${expected}`])
  })

  it('of all trust domains cannot be had without the validator', async () => {
    const { scene, fetch } = setUp({ isDisabled: true })
    scene.update([])
    await expect(fetch(['ALL'])).rejects.toMatchObject({
      kind: 'internal',
      message: 'unable to use "SPIFFE validator" on Envoy below 1.17',
    })
  })
})

describe('a stream of secrets', () => {
  it('answers the first request and then what is new, once for each change', async () => {
    const { scene, open } = setUp()
    scene.update(entries)
    const stream = open()
    await settle()
    expect(stream.answers).toEqual([])
    await stream.ask(['ROOTCA', 'default'])
    expect(stream.last).toMatchObject({ versionInfo: '1', nonce: 'nonce-1', typeUrl: 'T' })
    await stream.ack(['ROOTCA', 'default'])
    expect(stream.answers).toHaveLength(1)
    scene.update(entries, testBundle(2))
    await settle()
    expect(stream.answers).toHaveLength(2)
    expect(stream.last).toMatchObject({ versionInfo: '2', nonce: 'nonce-2' })
    await stream.end()
    expect([stream.hasEnded, stream.failure, scene.cache.subscriberCount]).toEqual([
      true,
      undefined,
      0,
    ])
  })

  it('answers at once when other names are asked for, and never the same again', async () => {
    const { scene, open } = setUp()
    scene.update(entries)
    const stream = open()
    await stream.ask(['default'])
    await stream.ack(['default', 'ROOTCA'])
    expect(told(stream.last)).toEqual(['ROOTCA: example.org', 'default: certificate'])
    expect(stream.last.versionInfo).toBe('1')
    await stream.ack(['ROOTCA', 'default'])
    expect(stream.answers).toHaveLength(2)
    await stream.ack([])
    expect(stream.answers).toHaveLength(3)
  })

  it('ignores a stale nonce, and goes on after a refusal', async () => {
    const { scene, open } = setUp()
    scene.update(entries)
    const stream = open()
    await stream.ask(['default'])
    await stream.ask(['ROOTCA'], { versionInfo: '1', responseNonce: 'old' })
    await stream.ask(['ROOTCA'])
    expect(stream.answers).toHaveLength(1)
    await stream.ask(['default', 'ROOTCA'], {
      versionInfo: '',
      responseNonce: stream.last.nonce,
      errorDetail: { message: 'no' },
    })
    expect(told(stream.last)).toEqual(['ROOTCA: example.org', 'default: certificate'])
  })

  it('remembers how the proxy described itself', async () => {
    const { scene, open } = setUp()
    scene.update(entries)
    const stream = open()
    await stream.ask(['ROOTCA'], { node: version(1, 17) })
    await stream.ack([own])
    expect(told(stream.last)).toEqual([`${own}: roots`])
  })

  it('ends when what was asked for is not there any more', async () => {
    const { scene, open } = setUp()
    scene.update(entries)
    const stream = open()
    await stream.ask([ids.b])
    scene.update([testAgentEntry('a')])
    await settle()
    expect(stream.failure).toMatchObject({
      message: `workload is not authorized for the requested identities ["${ids.b}"]`,
    })
    expect(scene.cache.subscriberCount).toBe(0)
  })

  it('gives nothing to a caller that became another process [gate 12]', async () => {
    const { scene, open } = setUp()
    scene.update(entries)
    const stream = open()
    await stream.ask(['default'])
    scene.process.isSame = false
    scene.update(entries, testBundle(2))
    await settle()
    expect(stream.failure).toMatchObject({ message: 'workload attestation failed' })
    expect(stream.answers).toHaveLength(1)
  })

  it('leaves nothing behind when the proxy is gone, whatever it waited for', async () => {
    const { scene, open } = setUp()
    scene.update(entries)
    open()
    await open().ask(['default'])
    expect(scene.cache.subscriberCount).toBe(2)
    scene.gone.abort()
    await settle()
    expect(scene.cache.subscriberCount).toBe(0)
  })

  it('is refused beyond its rate', async () => {
    const { scene, open } = setUp({ perSecond: 1 })
    scene.update(entries)
    await open().ask(['default'])
    const second = open()
    await settle()
    expect(second.failure).toMatchObject({
      kind: 'unavailable',
      message: `rate limit exceeded for ${service}/StreamSecrets`,
    })
  })

  it('has no incremental form', () => {
    const { scene } = setUp()
    const api = new SdsApi({
      callers: scene.callers,
      cache: scene.cache,
      requestSvids: () => {},
      names: { svid: 'default', bundle: 'ROOTCA', allBundles: 'ALL' },
      isSpiffeValidationDisabled: false,
      nonce: () => '',
    })
    const path = `${service}/DeltaSecrets`
    const { handle } = scene.method(api.bind(), path)
    expect(() => (handle as () => unknown)()).toThrow('Method is not implemented')
  })
})
