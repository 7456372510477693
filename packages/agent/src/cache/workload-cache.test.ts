import { systemClock } from '@mini-spire/runtime/clock'
import { SpiffeId, TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { describe, expect, it } from 'vitest'
import type { AgentEntry } from '../model/agent-entry.ts'
import { SelectorSet } from '../model/selector-set.ts'
import type { TrustBundle } from '../model/trust-bundle.ts'
import { JwtSvids, jwtSvidKey } from './jwt-svids.ts'
import { WorkloadCache } from './workload-cache.ts'
import { isComplete } from './workload-view.ts'

const own = TrustDomain.parse('example.org')
const foreign = TrustDomain.parse('foreign.org')
const signal = new AbortController().signal

function bundle(trustDomain: TrustDomain, root = 1, tainted = false): TrustBundle {
  return {
    trustDomain,
    x509Authorities: [{ certificate: Uint8Array.of(root), tainted }],
    jwtAuthorities: [],
    refreshHintSeconds: 0,
    sequenceNumber: root,
  }
}

function entry(id: string, selectors: string, more: Partial<AgentEntry> = {}): AgentEntry {
  return {
    id,
    spiffeId: SpiffeId.fromSegments(own, id),
    selectors: selectors.split(' ').map((value) => ({ type: 'unix', value })),
    federatesWith: [],
    admin: false,
    downstream: false,
    revisionNumber: 0,
    storeSvid: false,
    hint: '',
    createdAtSeconds: 0,
    disableX509SvidPrefetch: false,
    ...more,
  }
}

const svid = (revisionNumber = 0, notAfterMs = 1000) => ({
  chain: [Uint8Array.of(1)],
  privateKey: Uint8Array.of(2),
  notBeforeMs: 0,
  notAfterMs,
  revisionNumber,
})
const looks = (selectors: string): SelectorSet =>
  new SelectorSet(selectors.split(' ').map((value) => ({ type: 'unix', value })))

function cacheOf(maxX509Svids = 10) {
  const cache = new WorkloadCache({ ownBundle: bundle(own), maxX509Svids, clock: systemClock })
  return {
    cache,
    put: (entries: readonly AgentEntry[], own_ = bundle(own), federated: TrustBundle[] = []) =>
      cache.update({
        entries: new Map(entries.map((e) => [e.id, e])),
        ownBundle: own_,
        federatedBundles: federated,
      }),
    sign: (...ids: string[]) => cache.setX509Svids(new Map(ids.map((id) => [id, svid()]))),
    ids: (selectors: string) => cache.view(looks(selectors)).entries.map(({ id }) => id),
    wanted: () => cache.wantedX509Svids().map((w) => w.entry.id),
  }
}

async function isMarked(subscription: { changed(signal: AbortSignal): Promise<boolean> }) {
  const none = Symbol('none')
  const stop = new AbortController()
  const result = await Promise.race([
    subscription.changed(stop.signal),
    new Promise((resolve) => setImmediate(() => resolve(none))),
  ])
  stop.abort()
  return result === true
}

describe('an entry', () => {
  it('is not for a workload that lacks one of its selectors', () => {
    const { put, ids } = cacheOf()
    put([entry('a', 'uid:1 gid:1'), entry('b', 'uid:1'), entry('c', 'uid:2')])
    expect(ids('uid:1')).toEqual(['b'])
    expect(ids('gid:1 path:x')).toEqual([])
  })

  it('is found by all that match, in the order of IDs', () => {
    const { put, ids } = cacheOf()
    put(['c', 'a', 'b'].map((id) => entry(id, 'uid:1')))
    expect(ids('gid:1 uid:1')).toEqual(['a', 'b', 'c'])
  })

  it('that changed or went is not found by what it was', () => {
    const { put, ids, cache } = cacheOf()
    put([entry('a', 'uid:1'), entry('b', 'uid:1')])
    put([entry('a', 'uid:2', { revisionNumber: 1 })])
    expect([ids('uid:1'), ids('uid:2'), cache.entryCount]).toEqual([[], ['a'], 1])
  })

  it('whose SVID is stored elsewhere is no identity of a workload, and is signed all the same', () => {
    const { put, ids, wanted, sign, cache } = cacheOf()
    put([entry('a', 'uid:1', { storeSvid: true })])
    expect([ids('uid:1'), wanted()]).toEqual([[], ['a']])
    sign('a')
    expect([wanted(), cache.x509SvidCount, cache.storedX509SvidCount]).toEqual([[], 0, 1])
    put([entry('a', 'uid:1', { revisionNumber: 1 })])
    expect([ids('uid:1'), cache.findX509Svid('a')]).toEqual([['a'], undefined])
  })
})

describe('a view', () => {
  it('stays the same object while nothing in it changes', () => {
    const { put, sign, cache } = cacheOf()
    const [a, b] = [entry('a', 'uid:1'), entry('b', 'uid:2')]
    put([a, b])
    sign('a')
    const before = cache.view(looks('uid:1'))
    sign('b')
    put([a])
    expect(cache.view(looks('uid:1'))).toBe(before)
    sign('a')
    expect(cache.view(looks('uid:1'))).not.toBe(before)
  })

  it('has the federated bundles of its own identities only, and of those whose SVID is there', () => {
    const { put, sign, cache } = cacheOf()
    put([entry('a', 'uid:1', { federatesWith: [foreign] }), entry('b', 'uid:2')], bundle(own), [
      bundle(foreign),
    ])
    expect(cache.view(looks('uid:1')).federatedBundles).toEqual([])
    sign('a', 'b')
    expect(cache.view(looks('uid:1')).federatedBundles).toEqual([bundle(foreign)])
    expect(cache.view(looks('uid:2')).federatedBundles).toEqual([])
  })

  it('never has a foreign bundle in place of the own one', () => {
    const { put, cache } = cacheOf()
    put([], bundle(own, 1), [bundle(own, 2)])
    expect(cache.bundles.own).toEqual(bundle(own, 1))
  })
})

describe('signing', () => {
  it('is wanted first for those who wait, then for what is due, soonest expired first, then for free room', () => {
    const { put, cache, wanted } = cacheOf(5)
    const all = ['a', 'b', 'c', 'd', 'e', 'f'].map((id) => entry(id, `uid:${id}`))
    put(all)
    cache.setX509Svids(
      new Map([
        ['a', svid(0, 2000)],
        ['b', svid(0, 1000)],
      ]),
    )
    cache.markStale('a')
    cache.markStale('b')
    cache.subscribe(looks('uid:d'))
    expect(wanted()).toEqual(['d', 'b', 'a', 'c', 'e'])
  })

  it('is wanted again after a new revision, and the old SVID stays meanwhile', () => {
    const { put, sign, wanted, cache } = cacheOf()
    put([entry('a', 'uid:1')])
    sign('a')
    expect(wanted()).toEqual([])
    put([entry('a', 'uid:1', { revisionNumber: 1 })])
    expect(wanted()).toEqual(['a'])
    expect(isComplete(cache.view(looks('uid:1')))).toBe(true)
    sign('a')
    expect(wanted()).toEqual(['a'])
    cache.setX509Svids(new Map([['a', svid(1)]]))
    expect(wanted()).toEqual([])
  })

  it('is not wanted in advance for entries that say so', () => {
    const { put, wanted, cache } = cacheOf()
    put([entry('a', 'uid:1', { disableX509SvidPrefetch: true })])
    expect(wanted()).toEqual([])
    cache.subscribe(looks('uid:1'))
    expect(wanted()).toEqual(['a'])
  })

  it('for an entry that went meanwhile leaves nothing behind', () => {
    const { sign, cache } = cacheOf()
    sign('a')
    expect(cache.x509SvidCount).toBe(0)
  })

  it('beyond the size drops the longest unused, and nothing that somebody waits for', () => {
    const { put, cache, sign } = cacheOf(1)
    const all = ['a', 'b', 'c'].map((id) => entry(id, `uid:${id}`))
    put(all)
    const subscription = cache.subscribe(looks('uid:a'))
    sign('a', 'b', 'c')
    expect(cache.trimX509Svids()).toEqual(['b', 'c'])
    expect([...cache.x509Svids()].map(([id]) => id)).toEqual(['a'])
    expect(cache.view(looks('uid:b')).identities).toEqual([])
    subscription.close()
    expect(cache.subscriberCount).toBe(0)
  })
})

describe('a subscription', () => {
  it('is marked for what it would see, once however much happened, and for nothing else', async () => {
    const { put, sign, cache } = cacheOf()
    const [a, b] = [entry('a', 'uid:1'), entry('b', 'uid:2')]
    const mine = cache.subscribe(looks('uid:1'))
    put([b])
    sign('b')
    expect(await isMarked(mine)).toBe(false)
    put([a, b])
    sign('a')
    expect(await mine.changed(signal)).toBe(true)
    expect(await isMarked(mine)).toBe(false)
    put([b])
    expect(await isMarked(mine)).toBe(true)
  })

  it('is marked for a change of the own bundle, a taint included, and of a federated one of its own', async () => {
    const { put, cache } = cacheOf()
    const a = entry('a', 'uid:1', { federatesWith: [foreign] })
    put([a])
    const mine = cache.subscribe(looks('uid:1'))
    const other = cache.subscribe(looks('uid:2'))
    put([a], bundle(own, 1, true))
    expect([await isMarked(mine), await isMarked(other)]).toEqual([true, true])
    put([a], bundle(own, 1, true), [bundle(foreign)])
    expect([await isMarked(mine), await isMarked(other)]).toEqual([true, false])
    put([a], bundle(own, 1, true), [bundle(foreign)])
    expect(await isMarked(mine)).toBe(false)
  })

  it('ends its wait when the signal aborts', async () => {
    const { cache } = cacheOf()
    const stop = new AbortController()
    const wait = cache.subscribe(looks('uid:1')).changed(stop.signal)
    stop.abort()
    expect(await wait).toBe(false)
  })
})

describe('JWT-SVIDs', () => {
  const token = (keyId: string) => ({ token: keyId, keyId, issuedAtMs: 0, expiresAtMs: 1 })

  it('are kept by whom they name and for whom they are, in any order and without mix-ups', () => {
    const [a, b] = [
      SpiffeId.parse('spiffe://example.org/a'),
      SpiffeId.parse('spiffe://example.org/b'),
    ]
    expect(jwtSvidKey(a, ['x', 'y'])).toBe(jwtSvidKey(a, ['y', 'x']))
    const keys = [
      jwtSvidKey(a, ['x']),
      jwtSvidKey(b, ['x']),
      jwtSvidKey(a, ['x', 'y']),
      jwtSvidKey(a, ['x,y']),
      jwtSvidKey(a, ['x","y']),
      jwtSvidKey(a, ['x\u0000y']),
    ]
    expect(new Set(keys).size).toBe(keys.length)
  })

  it('beyond the size drop the longest unused, and those of a tainted key at once', () => {
    const svids = new JwtSvids({ maxSize: 2 })
    svids.set('1', token('k1'))
    svids.set('2', token('k2'))
    svids.find('1')
    svids.set('3', token('k1'))
    expect([svids.find('2'), svids.size]).toEqual([undefined, 2])
    expect(svids.dropSignedBy(new Set(['k1']))).toBe(2)
    expect(svids.size).toBe(0)
  })
})
