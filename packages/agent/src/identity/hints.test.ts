import { silentLogger } from '@mini-spire/runtime/log/logger'
import { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import { describe, expect, it } from 'vitest'
import type { AgentEntry } from '../model/agent-entry.ts'
import { withoutHintClashes } from './hints.ts'

function entry(id: string, hint: string, createdAtSeconds: number): AgentEntry {
  return {
    id,
    hint,
    createdAtSeconds,
    spiffeId: SpiffeId.parse(`spiffe://example.org/${id}`),
    selectors: [],
    federatesWith: [],
    admin: false,
    downstream: false,
    revisionNumber: 0,
    storeSvid: false,
    disableX509SvidPrefetch: false,
  }
}

const kept = (entries: readonly AgentEntry[]): string =>
  withoutHintClashes(entries, (one) => one, silentLogger)
    .map(({ id }) => id)
    .join('')

describe('of entries with the same hint', () => {
  it('only the oldest stays, and the order of the rest', () => {
    expect(
      kept([entry('a', 'x', 3), entry('b', '', 9), entry('c', 'x', 1), entry('d', 'y', 5)]),
    ).toBe('bcd')
  })

  it('the one with the lower ID stays when they are of one age', () => {
    expect(kept([entry('b', 'x', 1), entry('a', 'x', 1)])).toBe('a')
  })

  it('all stay when there is no hint', () => {
    expect(kept([entry('a', '', 1), entry('b', '', 1)])).toBe('ab')
  })
})
