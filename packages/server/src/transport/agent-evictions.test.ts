import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import type { Peer } from '@mini-spire/runtime/grpc/call-context'
import { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import { describe, expect, it } from 'vitest'
import type { AttestedNode } from '../model/attested-node.ts'
import type { AppliedChange } from '../store/store.ts'
import { cutEvictedAgents, replacedGraceMs } from './agent-evictions.ts'

const id = 'spiffe://example.org/spire/agent/a'
const peer = (spiffeId: string, serialNumber: string): Peer => ({
  kind: 'tls',
  address: '127.0.0.1',
  port: 1,
  chain: [],
  spiffeId,
  serialNumber,
  notAfterMs: 0,
})
const local: Peer = { kind: 'unix', pid: 1, uid: 0, gid: 0, assertAlive: () => {} }

function node(serialNumber: string, newSerialNumber = ''): AttestedNode {
  return {
    spiffeId: SpiffeId.parse(id),
    attestationType: 'join_token',
    serialNumber,
    expiresAtSeconds: 0,
    newSerialNumber,
    newExpiresAtSeconds: 0,
    canReattest: false,
    agentVersion: '',
    selectors: [],
  }
}

function scene() {
  const clock = new FakeClock()
  const open = new Set([peer(id, '1'), peer(id, '2'), peer(`${id}/b`, '1'), local])
  const cutter = {
    closeConnections: (matches: (one: Peer) => boolean) => {
      const cut = [...open].filter(matches)
      for (const one of cut) open.delete(one)
      return cut.length
    },
  }
  let node: AttestedNode | undefined
  const findNode = (): AttestedNode | undefined => node
  const apply = (value: AttestedNode | undefined): void => {
    node = value
    const position = { epoch: 'e', revision: 1 }
    const change: AppliedChange = { kind: 'node', key: id, value, position, createdRevision: 1 }
    cutEvictedAgents([change], { cutter, clock, findNode })
  }
  const serials = (): readonly (string | undefined)[] =>
    [...open].map((one) => (one.kind === 'tls' && one.spiffeId === id ? one.serialNumber : 'other'))
  return { clock, apply, serials }
}

describe('cutEvictedAgents', () => {
  it.each([
    ['banned', node('')],
    ['gone', undefined],
  ])('cuts every connection of an agent that is %s at once, and nobody else’s', (_, value) => {
    const { apply, serials } = scene()
    apply(value)
    expect(serials()).toEqual(['other', 'other'])
  })

  it('lets a replaced certificate finish what it has under way, then cuts it', () => {
    const { apply, serials, clock } = scene()
    apply(node('2'))
    clock.advance(replacedGraceMs - 1)
    expect(serials()).toContain('1')
    clock.advance(1)
    expect(serials()).toEqual(['2', 'other', 'other'])
  })

  it('spares a certificate that came into use within the moment of the one before', () => {
    const { apply, serials, clock } = scene()
    apply(node('1'))
    clock.advance(replacedGraceMs - 1)
    apply(node('2'))
    clock.advance(1)
    expect(serials()).toEqual(['1', '2', 'other', 'other'])
    clock.advance(replacedGraceMs - 1)
    expect(serials()).toEqual(['2', 'other', 'other'])
  })

  it('spares a renewed certificate that waits to be used', () => {
    const { apply, serials, clock } = scene()
    apply(node('1', '2'))
    clock.advance(replacedGraceMs)
    expect(serials()).toEqual(['1', '2', 'other', 'other'])
  })
})
