import { generateKeyPairSync } from 'node:crypto'
import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { type Logger, silentLogger } from '@mini-spire/runtime/log/logger'
import { describe, expect, it } from 'vitest'
import { maxPublishedKeys, PublishedKeys, type TokenKey } from './published-keys.ts'

const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const hourMs = 3_600_000

interface Shown {
  readonly clock: FakeClock
  readonly show: (keys: readonly TokenKey[] | undefined) => readonly string[] | undefined
  readonly published: PublishedKeys
  readonly warnings: string[]
}

function scene(): Shown {
  const clock = new FakeClock()
  let current: readonly TokenKey[] | undefined
  const warnings: string[] = []
  const log: Logger = { ...silentLogger, warn: (message) => void warnings.push(message) }
  const published = new PublishedKeys({ keys: () => current, clock, log })
  const show: Shown['show'] = (keys) => {
    current = keys
    return published.current()?.keys.map(({ keyId }) => keyId)
  }
  return { clock, show, published, warnings }
}

const key = (keyId: string, expiresAtMs?: number): TokenKey => ({ keyId, publicKey, expiresAtMs })
const numbered = (count: number, from = 0): readonly string[] =>
  Array.from({ length: count }, (_, index) => `k${from + index}`)

describe('the keys that are shown', () => {
  it('are not known before there are any, and may be none', () => {
    const { show } = scene()
    expect(show(undefined)).toBeUndefined()
    expect(show([])).toEqual([])
  })

  it('stay the same set, of the same time, until they change', () => {
    const { clock, show, published } = scene()
    const keys = [key('a'), key('b')]
    show(keys)
    const first = published.current()
    clock.advance(hourMs)
    expect(published.current()).toBe(first)
    show([...keys])
    expect(published.current()).toBe(first)
    show([...keys, key('c')])
    expect(published.current()?.modifiedAt).toEqual(clock.now())
  })

  it('are those that can still verify something', () => {
    const { clock, show, published } = scene()
    const keys = [key('old', clock.nowMs() + hourMs), key('new', clock.nowMs() + 2 * hourMs)]
    expect(show(keys)).toEqual(['old', 'new'])
    clock.advance(hourMs)
    expect(show(keys)).toEqual(['new'])
    expect(published.current()?.modifiedAt).toEqual(clock.now())
  })

  it('are all of them when all have expired: what comes back may come with them', () => {
    const { clock, show } = scene()
    const keys = [key('a', clock.nowMs() + 1), key('b', clock.nowMs() + 2)]
    clock.advance(hourMs)
    expect(show(keys)).toEqual(['a', 'b'])
  })

  it('are never as many as a cloud refuses: the newest by expiry, in their order', () => {
    const { clock, show, warnings } = scene()
    const end = clock.nowMs() + hourMs
    const many = numbered(500).map((id, index) => key(id, end + index))
    expect(show(many)).toEqual(numbered(99, 401))
    expect(show([...many].reverse())).toEqual([...numbered(99, 401)].reverse())
    expect(show(many.slice(0, maxPublishedKeys))).toHaveLength(99)
    expect(warnings).toHaveLength(1)
  })

  it('without expiry are the last ones that came', () => {
    const { show } = scene()
    show(numbered(99).map((id) => key(id)))
    // An agent may hand them out in any order.
    const shuffled = ['k101', ...numbered(99), 'k100'].map((id) => key(id))
    expect(new Set(show(shuffled))).toEqual(new Set([...numbered(97, 2), 'k100', 'k101']))
  })
})
