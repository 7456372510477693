import { HttpError, type HttpRequest } from '@mini-spire/runtime/http/http-client'
import type { LogFields, Logger } from '@mini-spire/runtime/log/logger'
import { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { FederationRelationship } from '../model/federation-relationship.ts'
import { testDomain } from '../store/store.test-kit.ts'
import { BundleManager } from './bundle-manager.ts'
import { FederationScene, ForeignDomain } from './federation.test-kit.ts'
import { RemoteAddresses } from './remote-addresses.ts'

/** What the manager logs and counts, and how a test waits for the end of an attempt. */
class Observer {
  readonly lines: string[] = []
  readonly counted: string[] = []
  attempts = 0
  #waiting: { readonly count: number; readonly done: () => void }[] = []

  readonly log: Logger = {
    with: () => this.log,
    isEnabled: () => true,
    log: (_level, message, fields) => this.#line(message, fields),
    error: (message, fields) => this.#line(message, fields),
    warn: (message, fields) => this.#line(message, fields),
    info: (message, fields) => this.#line(message, fields),
    debug: () => {},
    trace: () => {},
  }

  readonly metrics = {
    count: (key: readonly string[]): void => {
      this.counted.push(key.join('.'))
    },
    sample: (): void => {},
    gauge: (key: readonly string[]): void => {
      if (key.at(-1) !== 'failures') return
      this.attempts++
      for (const { count, done } of this.#waiting) if (this.attempts >= count) done()
    },
  }

  /** Resolves when so many attempts have ended, and what follows from the last one is done. */
  async reach(count: number): Promise<void> {
    if (this.attempts < count) {
      await new Promise<void>((done) => this.#waiting.push({ count, done }))
    }
    await new Promise(setImmediate)
  }

  #line(message: string, { error }: LogFields = {}): void {
    this.lines.push(error === undefined ? message : `${message}: ${String(error)}`)
  }
}

let scene: FederationScene
let other: ForeignDomain
let observer: Observer
let stopping: AbortController
let manager: BundleManager
let running: Promise<void>
/** What the endpoint answers, or fails with. */
let answer: (request: HttpRequest) => Promise<string>
let asked: string[]

beforeEach(async () => {
  scene = await FederationScene.open()
  other = new ForeignDomain('other.org', () => scene.clock.now())
  observer = new Observer()
  stopping = new AbortController()
  answer = () => Promise.resolve(other.document())
  asked = []
  running = Promise.resolve()
})
afterEach(async () => {
  stopping.abort()
  await running
  await scene[Symbol.asyncDispose]()
})

function run(federatesWith: readonly FederationRelationship[] = []): void {
  const { registry, store, clock } = scene
  manager = new BundleManager({
    trustDomain: testDomain,
    federatesWith,
    state: { registry, store },
    http: {
      request: async (request) => {
        asked.push(request.url)
        const body = Buffer.from(await answer(request))
        return { status: 200, statusLine: '200 OK', headers: {}, body }
      },
    },
    remoteAddresses: new RemoteAddresses({ allowed: [] }),
    metrics: observer.metrics,
    clock,
    log: observer.log,
    chance: () => 0,
  })
  running = manager.run(stopping.signal)
}

const web = (host = 'other.org'): FederationRelationship => ({
  trustDomain: other.trustDomain,
  bundleEndpointUrl: `https://${host}/`,
  profile: { kind: 'https_web' },
})
const away = () => Promise.reject(new HttpError('ERR_HTTP_UNREACHABLE', 'it is away'))

describe('a relationship', () => {
  it('of the configuration is fetched at once, and then as the bundle says', async () => {
    run([web()])
    await observer.reach(1)
    expect(scene.find('other.org')?.sequenceNumber).toBe(1)
    other.rotate()
    scene.clock.advance(74_999)
    expect(asked).toHaveLength(1)
    scene.clock.advance(1)
    await observer.reach(2)
    expect(scene.find('other.org')?.sequenceNumber).toBe(2)
    expect(observer.lines).toEqual([
      'Trust domain is now managed',
      'Bundle refreshed',
      'Bundle refreshed',
    ])
  })

  it('that brings nothing new is not stored anew', async () => {
    run([web()])
    await observer.reach(1)
    const stored = scene.find('other.org')
    scene.clock.advance(75_000)
    await observer.reach(2)
    expect(scene.find('other.org')).toBe(stored)
    expect(observer.counted).toEqual([
      'bundle_manager.update.federated_bundle',
      'bundle_manager.fetch.federated_bundle',
      'bundle_manager.fetch.federated_bundle',
    ])
  })

  it('whose endpoint is away keeps its bundle, is tried sooner, and says how it stands', async () => {
    run([web()])
    await observer.reach(1)
    const lastSuccess = scene.clock.now()
    answer = away
    scene.clock.advance(75_000)
    await observer.reach(2)
    const at = scene.clock.now()
    expect(manager.health().get('other.org')).toEqual({
      isStatic: true,
      lastSuccess,
      lastFailure: {
        at,
        message:
          'failed to fetch federated bundle from endpoint: failed to fetch bundle: it is away',
      },
      failures: 1,
      nextTry: new Date(at.getTime() + 15_000),
    })
    expect(scene.find('other.org')?.sequenceNumber).toBe(1)
    answer = () => Promise.resolve(other.document())
    scene.clock.advance(15_000)
    await observer.reach(3)
    expect(manager.health().get('other.org')).toMatchObject({
      failures: 0,
      lastSuccess: scene.clock.now(),
      nextTry: new Date(scene.clock.nowMs() + 75_000),
    })
  })

  it('made at run time is followed at once, changed at once, and dropped at once', async () => {
    run()
    await scene.relate(web('one.test'))
    manager.reload()
    await observer.reach(1)
    await scene.relate(web('two.test'))
    manager.reload()
    await observer.reach(2)
    expect(asked).toEqual(['https://one.test/', 'https://two.test/'])
    await scene.relate(web(), true)
    manager.reload()
    scene.clock.advance(3_600_000)
    await new Promise(setImmediate)
    expect(asked).toHaveLength(2)
    expect(manager.health().size).toBe(0)
    expect(scene.find('other.org')).toBeDefined()
    expect(observer.lines).toEqual([
      'Trust domain is now managed',
      'Bundle refreshed',
      'Updated configuration for managed trust domain',
      'Trust domain no longer managed',
      'No longer polling for updates',
    ])
  })

  it('made by another server is noticed within ten seconds', async () => {
    run()
    await scene.relate(web())
    scene.clock.advance(10_000)
    await observer.reach(1)
    expect(asked).toEqual(['https://other.org/'])
  })

  it('of the configuration takes the place of the one made at run time', async () => {
    await scene.relate(web('dynamic.test'))
    run([web('static.test')])
    await observer.reach(1)
    expect(asked).toEqual(['https://static.test/'])
    expect(manager.health().get('other.org')?.isStatic).toBe(true)
  })

  it('that waits for the bundle of its endpoint goes on when there is one', async () => {
    const endpointSpiffeId = SpiffeId.parse('spiffe://other.org/spire/server')
    run([{ ...web(), profile: { kind: 'https_spiffe', endpointSpiffeId } }])
    await observer.reach(1)
    expect(asked).toEqual([])
    await scene.put(bootstrap())
    scene.clock.advance(10_000)
    await observer.reach(2)
    expect(asked).toEqual(['https://other.org/'])
  })
})

/** The bundle as an operator brings it: without number and hint. */
function bootstrap() {
  return {
    trustDomain: other.trustDomain,
    x509Authorities: [{ certificate: other.ca.certificate.raw, tainted: false }],
    jwtAuthorities: [],
    refreshHintSeconds: 0,
    sequenceNumber: 0,
  }
}

describe('a refresh', () => {
  it('of what is not followed says so', async () => {
    run()
    expect(await manager.refresh(other.trustDomain)).toBe(false)
  })

  it('finds a relationship that nobody told of, and goes on with it afterwards', async () => {
    run()
    await scene.relate(web())
    expect(await manager.refresh(other.trustDomain)).toBe(true)
    expect(scene.find('other.org')).toBeDefined()
    const before = asked.length
    scene.clock.advance(75_000)
    await observer.reach(before + 1)
    expect(asked.length).toBe(before + 1)
  })

  it('fails with the reason, and never runs beside another one', async () => {
    run([web()])
    await observer.reach(1)
    let isBusy = false
    answer = async () => {
      expect(isBusy).toBe(false)
      isBusy = true
      await new Promise(setImmediate)
      isBusy = false
      return await away()
    }
    const calls = Array.from({ length: 20 }, () => manager.refresh(other.trustDomain))
    const ends = await Promise.allSettled(calls)
    expect(new Set(ends.map(({ status }) => status))).toEqual(new Set(['rejected']))
    expect(asked).toHaveLength(3)
  })
})

it('stops in the middle of a request', async () => {
  let isAborted = false
  answer = ({ signal }) =>
    new Promise((_, reject) => {
      signal?.addEventListener('abort', () => {
        isAborted = true
        reject(signal.reason)
      })
    })
  const timersBefore = scene.clock.timerCount
  run([web()])
  stopping.abort()
  await running
  expect(isAborted).toBe(true)
  expect(scene.clock.timerCount).toBe(timersBefore)
  expect(observer.lines).not.toContainEqual(expect.stringContaining('Error'))
})
