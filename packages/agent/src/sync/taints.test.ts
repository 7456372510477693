import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import type { LogFields, Logger } from '@mini-spire/runtime/log/logger'
import { SpiffeId, TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { TestCa } from '@mini-spire/sdk/testing'
import { describe, expect, it } from 'vitest'
import { JwtSvids } from '../cache/jwt-svids.ts'
import { WorkloadCache } from '../cache/workload-cache.ts'
import type { AgentEntry } from '../model/agent-entry.ts'
import type { TrustBundle } from '../model/trust-bundle.ts'
import { TaintReaction } from './taints.ts'

const { signal } = new AbortController()
const domain = TrustDomain.parse('example.org')
const old = TestCa.create(domain)
const fresh = TestCa.create(domain)

function entry(id: string): AgentEntry {
  return {
    id,
    spiffeId: SpiffeId.fromSegments(domain, 'workload', id),
    selectors: [{ type: 'unix', value: `uid:${id}` }],
    federatesWith: [],
    admin: false,
    downstream: false,
    revisionNumber: 0,
    storeSvid: false,
    hint: '',
    createdAtSeconds: 0,
    disableX509SvidPrefetch: false,
  }
}

interface Authorities {
  /** With whether it is tainted. */
  readonly roots?: readonly (readonly [TestCa, boolean])[]
  readonly taintedKeyIds?: readonly string[]
}

function bundle({ roots = [], taintedKeyIds = [] }: Authorities): TrustBundle {
  return {
    trustDomain: domain,
    x509Authorities: roots.map(([ca, tainted]) => ({ certificate: ca.certificate.raw, tainted })),
    jwtAuthorities: taintedKeyIds.map((keyId) => ({
      keyId,
      publicKey: Buffer.from(keyId),
      expiresAtSeconds: 0,
      tainted: true,
    })),
    refreshHintSeconds: 0,
    sequenceNumber: 0,
  }
}

/** A cache with SVIDs of each authority for so many entries, and what reacts to taints. */
function make(counts: { readonly old: number; readonly fresh: number }) {
  const clock = new FakeClock()
  const cache = new WorkloadCache({ ownBundle: bundle({}), maxX509Svids: 1000, clock })
  const total = counts.old + counts.fresh
  const ids = Array.from({ length: total }, (_, index) => String(index))
  const entries = new Map(ids.map((id) => [id, entry(id)]))
  cache.update({ entries, ownBundle: bundle({}), federatedBundles: [] })
  const chains = [old, fresh].map((ca) => ca.issueX509Svid('/w').chain.map(({ raw }) => raw))
  const svidOf = (index: number) => ({
    chain: chains[index < counts.old ? 0 : 1] ?? [],
    privateKey: Uint8Array.of(),
    notBeforeMs: 0,
    notAfterMs: 1,
    revisionNumber: 0,
  })
  cache.setX509Svids(new Map(ids.map((id, index) => [id, svidOf(index)])))
  const jwtSvids = new JwtSvids({ maxSize: 10 })
  for (const keyId of ['k1', 'k2'])
    jwtSvids.set(keyId, { token: keyId, keyId, issuedAtMs: 0, expiresAtMs: 1 })
  const lines: { readonly message: string; readonly fields: LogFields }[] = []
  const line = (message: string, fields: LogFields = {}): void =>
    void lines.push({ message, fields })
  const log: Logger = {
    with: () => log,
    isEnabled: () => true,
    log: (_level, message, fields) => line(message, fields),
    error: line,
    warn: line,
    info: line,
    debug: line,
    trace: line,
  }
  let requests = 0
  const requestSvids = (): void => void requests++
  const reaction = new TaintReaction({ cache, jwtSvids, requestSvids, clock, log })
  const left = (): number => [...cache.x509Svids()].length
  return { clock, cache, jwtSvids, reaction, lines, left, requests: () => requests }
}

/** Lets everything that is due run, without time passing. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('a tainted X.509 authority', () => {
  it('loses what it signed a hundred at a time, five seconds apart; the rest stays', async () => {
    const { clock, reaction, lines, left, requests } = make({ old: 230, fresh: 7 })
    const tainted = bundle({
      roots: [
        [old, true],
        [fresh, false],
      ],
    })
    const done = reaction.react(tainted, signal)
    await settled()
    expect([left(), requests()]).toEqual([137, 1])
    clock.advance(4999)
    await settled()
    expect(left()).toBe(137)
    clock.advance(1)
    await settled()
    expect([left(), requests()]).toEqual([37, 2])
    clock.advance(5000)
    await done
    expect([left(), requests()]).toEqual([7, 3])
    expect(lines).toEqual([
      {
        message: 'New tainted X.509 authorities found',
        fields: {
          subject_key_ids: Buffer.from(old.certificate.subjectKeyId ?? []).toString('hex'),
        },
      },
      {
        message: 'Scheduled rotation for SVID entries due to tainted X.509 authorities',
        fields: { count: 237 },
      },
      { message: 'Tainted X.509 SVIDs', fields: { tainted_x509_svids: 100 } },
      { message: 'There are tainted X.509 SVIDs left to be processed', fields: { count: 130 } },
      { message: 'Tainted X.509 SVIDs', fields: { tainted_x509_svids: 100 } },
      { message: 'There are tainted X.509 SVIDs left to be processed', fields: { count: 30 } },
      { message: 'Tainted X.509 SVIDs', fields: { tainted_x509_svids: 30 } },
      { message: 'Finished processing all tainted entries', fields: {} },
    ])
    await reaction.react(tainted, signal)
    expect(left()).toBe(7)
    expect(lines).toHaveLength(8)
  })

  it('is said to concern nothing when there is nothing', async () => {
    const { reaction, lines } = make({ old: 0, fresh: 0 })
    await reaction.react(bundle({ roots: [[old, true]] }), signal)
    expect(lines.at(-1)?.message).toBe('No SVID entries to process for tainted X.509 authorities')
  })

  it("is known at once for the agent's own SVID, however many batches wait", async () => {
    const { clock, reaction } = make({ old: 150, fresh: 0 })
    const chain = fresh.issueX509Svid('/spire/agent/a').chain
    const first = reaction.react(
      bundle({
        roots: [
          [old, true],
          [fresh, false],
        ],
      }),
      signal,
    )
    await settled()
    expect(reaction.isTainted(chain)).toBe(false)
    const second = reaction.react(
      bundle({
        roots: [
          [old, true],
          [fresh, true],
        ],
      }),
      signal,
    )
    expect(reaction.isTainted(chain)).toBe(true)
    await settled()
    clock.advance(5000)
    await Promise.all([first, second])
  })

  it('is recognised behind an intermediate, and a stop ends the work between batches', async () => {
    const stop = new AbortController()
    const { reaction, left } = make({ old: 150, fresh: 0 })
    const below = old.createIntermediate().issueX509Svid('/w').chain
    const done = reaction.react(bundle({ roots: [[old, true]] }), stop.signal)
    expect(reaction.isTainted(below)).toBe(true)
    await settled()
    stop.abort()
    await done
    expect(left()).toBe(50)
  })
})

describe('an X.509 authority that was revoked before this agent saw it tainted', () => {
  it('loses what it signed all the same', async () => {
    const { reaction, left } = make({ old: 3, fresh: 2 })
    await reaction.react(
      bundle({
        roots: [
          [old, false],
          [fresh, false],
        ],
      }),
      signal,
    )
    expect(left()).toBe(5)
    await reaction.react(bundle({ roots: [[fresh, false]] }), signal)
    expect(left()).toBe(2)
  })
})

it('an element of the bundle that is no certificate hinders nothing', async () => {
  const { reaction, left } = make({ old: 1, fresh: 1 })
  const odd = { certificate: Buffer.from('none'), tainted: true }
  const tainted = bundle({ roots: [[old, true]] })
  const roots = [odd, ...tainted.x509Authorities]
  await reaction.react({ ...tainted, x509Authorities: roots }, signal)
  expect(left()).toBe(1)
})

it('a tainted JWT authority loses its tokens at once, also while X509-SVIDs wait for their batch', async () => {
  const { clock, jwtSvids, reaction, lines } = make({ old: 150, fresh: 0 })
  const first = reaction.react(bundle({ roots: [[old, true]] }), signal)
  await settled()
  const second = reaction.react(
    bundle({ roots: [[old, true]], taintedKeyIds: ['k1', 'other'] }),
    signal,
  )
  await settled()
  expect([jwtSvids.find('k1'), jwtSvids.find('k2')?.keyId]).toEqual([undefined, 'k2'])
  expect(lines.at(-1)).toEqual({
    message:
      'JWT-SVIDs were removed from the JWT cache because they were issued by a tainted authority',
    fields: { jwt_authority_key_ids: 'k1,other', tainted_jwt_svids: 1 },
  })
  clock.advance(5000)
  await Promise.all([first, second])
})
