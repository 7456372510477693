import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { silentLogger } from '@mini-spire/runtime/log/logger'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { TrustBundle } from '../model/trust-bundle.ts'
import type { BundlePublisher } from '../plugins/bundle-publisher/bundle-publisher.ts'
import type { Notifier } from '../plugins/notifier/notifier.ts'
import { BundleAnnouncements } from './bundle-announcements.ts'

const trustDomain = TrustDomain.parse('example.org')

let clock: FakeClock
let bundle: TrustBundle | undefined
let told: string[]
let stop: AbortController

const withSequence = (sequenceNumber: number): TrustBundle => ({
  trustDomain,
  x509Authorities: [],
  jwtAuthorities: [],
  refreshHintSeconds: 0,
  sequenceNumber,
})

class FakeNotifier implements Notifier {
  readonly name = 'fake'
  failure: Error | undefined

  bundleLoaded({ sequenceNumber }: TrustBundle): Promise<void> {
    told.push(`loaded ${sequenceNumber}`)
    return this.failure ? Promise.reject(this.failure) : Promise.resolve()
  }

  bundleUpdated({ sequenceNumber }: TrustBundle): Promise<void> {
    told.push(`updated ${sequenceNumber}`)
    return this.failure ? Promise.reject(this.failure) : Promise.resolve()
  }
}

class FakePublisher implements BundlePublisher {
  readonly name = 'fake'
  failures = 0

  publish({ sequenceNumber }: TrustBundle): Promise<void> {
    told.push(`published ${sequenceNumber}`)
    return this.failures-- > 0 ? Promise.reject(new Error('no')) : Promise.resolve()
  }
}

function announcements(
  notifiers: readonly Notifier[],
  publishers: readonly BundlePublisher[] = [],
): BundleAnnouncements {
  const options = {
    trustDomain,
    bundle: () => bundle,
    notifiers,
    publishers,
    clock,
    log: silentLogger,
  }
  return new BundleAnnouncements(options)
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve()
}

beforeEach(() => {
  clock = new FakeClock()
  bundle = withSequence(1)
  told = []
  stop = new AbortController()
})
afterEach(() => stop.abort())

describe('a notifier', () => {
  it('that refuses the loaded bundle keeps the server from serving', async () => {
    const notifier = new FakeNotifier()
    notifier.failure = new Error('notifier(fake): not this one')
    await expect(announcements([notifier]).loaded(stop.signal)).rejects.toMatchObject({
      code: 'ERR_BUNDLE_NOTIFIER_REFUSED',
      message: 'one or more notifiers returned an error: notifier(fake): not this one',
    })
  })

  it('hears of the loaded bundle, and then of changes only', async () => {
    const announced = announcements([new FakeNotifier()])
    announced.follow([{ kind: 'bundle', key: 'example.org' }])
    await announced.loaded(stop.signal)
    const running = announced.run(stop.signal)
    await settled()
    announced.follow([
      { kind: 'bundle', key: 'foreign.example' },
      { kind: 'entry', key: 'example.org' },
    ])
    await settled()
    expect(told).toEqual(['loaded 1'])
    bundle = withSequence(2)
    announced.follow([{ kind: 'bundle', key: 'example.org' }])
    await settled()
    expect(told).toEqual(['loaded 1', 'updated 2'])
    stop.abort()
    await running
  })

  it('that fails on a change hears of the next one', async () => {
    const notifier = new FakeNotifier()
    const announced = announcements([notifier])
    const running = announced.run(stop.signal)
    notifier.failure = new Error('not now')
    announced.follow([{ kind: 'bundle', key: 'example.org' }])
    await settled()
    bundle = withSequence(2)
    announced.follow([{ kind: 'bundle', key: 'example.org' }])
    await settled()
    expect(told).toEqual(['updated 1', 'updated 2'])
    stop.abort()
    await running
  })
})

describe('a bundle publisher', () => {
  it('is asked at once after a change, and every 30 seconds, whether it failed or not', async () => {
    const publisher = new FakePublisher()
    publisher.failures = 1
    const announced = announcements([], [publisher])
    const running = announced.run(stop.signal)
    await settled()
    expect(told).toEqual([])
    announced.follow([{ kind: 'bundle', key: 'example.org' }])
    await settled()
    clock.advance(29_999)
    await settled()
    expect(told).toEqual(['published 1'])
    clock.advance(1)
    await settled()
    expect(told).toEqual(['published 1', 'published 1'])
    stop.abort()
    await running
    expect(clock.timerCount).toBe(0)
  })

  it('is not asked before there is a bundle', async () => {
    bundle = undefined
    const announced = announcements([new FakeNotifier()], [new FakePublisher()])
    await announced.loaded(stop.signal)
    const running = announced.run(stop.signal)
    announced.follow([{ kind: 'bundle', key: 'example.org' }])
    await settled()
    expect(told).toEqual([])
    stop.abort()
    await running
  })
})
