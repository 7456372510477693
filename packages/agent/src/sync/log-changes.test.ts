import type { Logger } from '@mini-spire/runtime/log/logger'
import { SpiffeId, TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { describe, expect, it } from 'vitest'
import type { CacheChanges } from '../cache/workload-cache.ts'
import type { AgentEntry } from '../model/agent-entry.ts'
import { logChanges } from './log-changes.ts'

const entry = (changes: Partial<AgentEntry> = {}): AgentEntry => ({
  id: 'e',
  spiffeId: SpiffeId.parse('spiffe://example.org/w'),
  selectors: [{ type: 'unix', value: 'uid:1' }],
  federatesWith: [],
  admin: false,
  downstream: false,
  revisionNumber: 0,
  storeSvid: false,
  hint: '',
  createdAtSeconds: 0,
  disableX509SvidPrefetch: false,
  ...changes,
})
const nothing: CacheChanges = {
  created: [],
  removed: [],
  updated: [],
  isOwnBundleChanged: false,
  ownDomain: 'example.org',
  changedDomains: new Map(),
}

function logged(changes: Partial<CacheChanges>): readonly unknown[] {
  const lines: unknown[] = []
  const log = { debug: (...line: readonly unknown[]) => lines.push(line) } as unknown as Logger
  logChanges(log, { ...nothing, ...changes })
  return lines
}

const named = { entry: 'e', spiffe_id: 'spiffe://example.org/w' }

describe('the log of a synchronisation', () => {
  it('is silent when nothing changed', () => {
    expect(logged({})).toEqual([])
  })

  it('names entries that came and went', () => {
    expect(logged({ created: [entry()], removed: [entry({ id: 'old' })] })).toEqual([
      ['Entry removed', { ...named, entry: 'old' }],
      ['Entry created', { ...named, selectors_added: 1 }],
    ])
  })

  it('counts what decides who gets what, and leaves out every other update', () => {
    const after = entry({
      selectors: [{ type: 'unix', value: 'uid:2' }],
      federatesWith: [TrustDomain.parse('other.org')],
    })
    const updated = [
      { before: entry(), after },
      { before: entry(), after: entry({ hint: 'h' }) },
    ]
    expect(logged({ updated })).toEqual([
      ['Entry updated', { ...named, selectors_added: 1, selectors_removed: 1, fed_add: 1 }],
    ])
  })

  it('names bundles, the own one too', () => {
    const changedDomains = new Map([
      ['a.org', 'added'],
      ['b.org', 'removed'],
    ] as const)
    expect(logged({ isOwnBundleChanged: true, changedDomains })).toEqual([
      ['Bundle updated', { trust_domain_id: 'example.org' }],
      ['Bundle added', { trust_domain_id: 'a.org' }],
      ['Bundle removed', { trust_domain_id: 'b.org' }],
    ])
  })
})
