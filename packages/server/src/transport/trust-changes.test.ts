import type { Peer } from '@mini-spire/runtime/grpc/call-context'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { TestCa } from '@mini-spire/sdk/testing'
import { beforeEach, describe, expect, it } from 'vitest'
import type { TrustBundle } from '../model/trust-bundle.ts'
import type { AppliedChange } from '../store/store.ts'
import { TrustChanges } from './trust-changes.ts'

const kept = TestCa.create('example.org')
const gone = TestCa.create('example.org')
const foreign = TestCa.create('other.org')

interface Root {
  readonly ca: TestCa
  readonly tainted?: boolean
}

function bundleOf(name: string, roots: readonly Root[]): TrustBundle {
  return {
    trustDomain: TrustDomain.parse(name),
    x509Authorities: roots.map(({ ca, tainted = false }) => ({
      certificate: ca.certificate.raw,
      tainted,
    })),
    jwtAuthorities: [],
    refreshHintSeconds: 0,
    sequenceNumber: 0,
  }
}

function peerOf(ca: TestCa | undefined, spiffeId: string): Peer {
  const chain = ca?.issueX509Svid('/agent').chain.map(({ raw }) => raw) ?? []
  return { kind: 'tls', address: '::1', port: 1, chain, spiffeId, serialNumber: '1', notAfterMs: 0 }
}

let bundles: Map<string, TrustBundle>
let open: Set<Peer>
let judged: number
let tainted: readonly Uint8Array[]
let removed: Uint8Array[]
let trust: TrustChanges
beforeEach(() => {
  bundles = new Map()
  judged = 0
  tainted = []
  removed = []
  open = new Set([
    peerOf(kept, 'kept'),
    peerOf(gone, 'gone'),
    peerOf(gone.createIntermediate(), 'below gone'),
    peerOf(foreign, 'foreign'),
    peerOf(undefined, 'anonymous'),
    { kind: 'unix', pid: 1, uid: 0, gid: 0, assertAlive: () => {} },
  ])
  trust = new TrustChanges({
    trustDomainName: 'example.org',
    findBundle: (name) => bundles.get(name),
  })
})

/** Lets every change bite; whoever is judged again has lost. */
function begin(): void {
  trust.begin({
    cutter: {
      closeConnections: (matches) => {
        const cut = [...open].filter(matches)
        for (const one of cut) open.delete(one)
        return cut.length
      },
    },
    verifyClient: () => {
      judged++
      throw new Error('untrusted')
    },
    svid: {
      followRoots: (roots) => {
        tainted = roots.tainted
        removed.push(...roots.removed)
      },
    },
  })
}

function change(name: string, roots: readonly Root[] | undefined): void {
  const value = roots && bundleOf(name, roots)
  const position = { epoch: 'e', revision: 1 }
  const applied: AppliedChange = {
    kind: 'bundle',
    key: name,
    value,
    position,
    createdRevision: 1,
  }
  trust.around([applied], () => {
    if (value) bundles.set(name, value)
    else bundles.delete(name)
  })
}

const ids = (): readonly string[] =>
  [...open].map((peer) => (peer.kind === 'tls' ? (peer.spiffeId ?? '') : 'local'))

describe('a change of the own bundle', () => {
  it('cuts who led to a root that is gone, through an intermediate too, and nobody else', () => {
    begin()
    change('example.org', [{ ca: kept }, { ca: gone }])
    expect(open.size).toBe(6)
    change('example.org', [{ ca: kept }])
    expect(ids()).toEqual(['kept', 'foreign', 'anonymous', 'local'])
    expect(judged).toBe(2)
  })

  it('spares who would be let in now all the same', () => {
    trust.begin({
      cutter: { closeConnections: (matches) => [...open].filter(matches).length },
      verifyClient: () => {
        judged++
      },
      svid: { followRoots: () => {} },
    })
    change('example.org', [{ ca: gone }])
    change('example.org', [])
    expect(judged).toBe(2)
    expect(open.size).toBe(6)
  })

  it('tells the own SVID of tainted roots, and cuts nobody for them before they are gone', () => {
    begin()
    change('example.org', [{ ca: kept }, { ca: gone }])
    expect(tainted).toEqual([])
    change('example.org', [{ ca: kept }, { ca: gone, tainted: true }])
    expect(tainted).toEqual([gone.certificate.raw])
    expect(open.size).toBe(6)
    expect(removed).toEqual([])
    change('example.org', [{ ca: kept }])
    expect(tainted).toEqual([])
    expect(removed).toEqual([gone.certificate.raw])
  })

  it('before the server serves bites nobody', () => {
    change('example.org', [{ ca: gone, tainted: true }])
    change('example.org', [])
    begin()
    expect(open.size).toBe(6)
    expect(tainted).toEqual([])
  })
})

describe("a change of another trust domain's bundle", () => {
  it('cuts its admins when it is removed, and does not concern the own SVID', () => {
    begin()
    change('other.org', [{ ca: foreign, tainted: true }])
    expect(tainted).toEqual([])
    change('other.org', undefined)
    expect(ids()).not.toContain('foreign')
    expect(open.size).toBe(5)
  })
})
