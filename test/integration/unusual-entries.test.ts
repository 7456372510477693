import { writeFileSync } from 'node:fs'
import { WorkloadApiClient } from '@mini-spire/sdk/workload-api'
import type { X509Svid } from '@mini-spire/sdk/x509-svid'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ServedWorkload } from '../kit/served-workload.ts'

let served: ServedWorkload
beforeAll(async () => {
  served = await ServedWorkload.start({ agent: 'experimental { sync_interval = "1s" }' })
})
afterAll(() => served[Symbol.asyncDispose]())

/** Registers an identity for this user, with whatever an entry may have. */
function create(path: string, more: object): void {
  const file = served.scene.path('entry.json')
  const entry = {
    parent_id: served.parentId,
    spiffe_id: `spiffe://${served.server.trustDomain}${path}`,
    selectors: [{ type: 'unix', value: `uid:${process.getuid?.() ?? 0}` }],
    ...more,
  }
  writeFileSync(file, JSON.stringify({ entries: [entry] }))
  served.server.must('entry', 'create', '-data', file)
}

/** The X509-SVID of an identity, as soon as the agent serves it. */
async function fetched(path: string): Promise<X509Svid> {
  using client = new WorkloadApiClient({ address: served.agent.address })
  for await (const { svids } of client.watchX509Context({ signal: AbortSignal.timeout(30_000) })) {
    const found = svids.find(({ spiffeId }) => spiffeId.path === path)
    if (found) return found
  }
  throw new Error('the stream ended')
}

const names = (count: number): string[] =>
  Array.from({ length: count }, (_, n) => `a-name-of-some-length-and-number-${n}.example.org`)

describe('a workload', () => {
  it('gets a certificate with a thousand DNS names', async () => {
    const dnsNames = names(1_000)
    create('/names', { dns_names: dnsNames })
    const { chain } = await fetched('/names')
    expect(chain[0].dnsNames).toEqual(dnsNames)
  })

  it('gets an ID of 2,048 bytes, and one that is longer than the standard allows', async () => {
    for (const length of [2_048, 5_000]) {
      const path = `/${'x'.repeat(length - `spiffe://${served.server.trustDomain}/`.length)}`
      create(path, {})
      expect(String((await fetched(path)).spiffeId)).toHaveLength(length)
    }
  })

  it('gets its identity although that of another workload is too long to be read', async () => {
    const selectors = [{ type: 'unix', value: 'uid:4711' }]
    create('/unreadable', { dns_names: names(3_000), selectors })
    create('/late', {})
    expect(String((await fetched('/late')).spiffeId)).toContain('/late')
    await served.agent.daemon.waitFor('X509-SVID cannot be used')
  })
})
