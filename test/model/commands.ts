import { Entry } from '@mini-spire/runtime/proto/spire/api/types/entry'
import fc from 'fast-check'
import { expect } from 'vitest'
import { type RealServer, statusOf, trustDomain } from './real-server.ts'
import {
  type EntryFilter,
  type EntryInput,
  type Expected,
  ok,
  type Reference,
} from './reference.ts'

type Command = fc.AsyncCommand<Reference, RealServer>

const domain = `spiffe://${trustDomain}`
const good = <Value>(values: readonly Value[], bad: readonly Value[]): fc.Arbitrary<Value> =>
  fc.oneof(
    { weight: 12, arbitrary: fc.constantFrom(...values) },
    { weight: 1, arbitrary: fc.constantFrom(...bad) },
  )

const tokens = ['t0', 't1', 't2', 't3']
const agentId = (token: string): string => `${domain}/spire/agent/join_token/${token}`
const spiffeId = good(
  ['/a', '/b', '/c/d'].map((path) => domain + path),
  [`${domain}/spire/x`, domain, 'spiffe://other.test/a'],
)
const parentId = good(
  [`${domain}/p`, `${domain}/spire/server`, agentId('t0')],
  [domain, 'spiffe://other.test/p'],
)
const selector = good(['unix:uid:1', 'unix:uid:2', 'k8s:ns:a', 'k8s:sa:b'], [':v', 't:'])
const entryId = good(['e0', 'e1', 'e2', 'e3', 'e4', 'e5'], ['bad id', ''])
const federated = ['fed.test', 'other.test']

const entryInput: fc.Arbitrary<EntryInput> = fc.record({
  id: entryId,
  spiffeId,
  parentId,
  selectors: fc.oneof(
    { weight: 12, arbitrary: fc.uniqueArray(selector, { minLength: 1, maxLength: 3 }) },
    { weight: 1, arbitrary: fc.constantFrom<string[]>([], ['unix:uid:1', 'unix:uid:1']) },
  ),
  federatesWith: fc.oneof(
    { weight: 6, arbitrary: fc.constant<string[]>([]) },
    { weight: 1, arbitrary: fc.constantFrom(...federated).map((name) => [name]) },
  ),
  dnsNames: good<string[]>([[], ['a.test'], ['a.test', 'b.test']], [['a.test', 'a.test'], ['']]),
  hint: good(['', 'x'], ['h'.repeat(1025)]),
  x509SvidTtl: good([0, 60], [-1]),
  admin: fc.boolean(),
  downstream: fc.boolean(),
})

/** Every command, in proportions that leave at least half of them valid. */
export const commands: fc.Arbitrary<Command>[] = [
  fc.array(entryInput, { minLength: 1, maxLength: 3 }).map(createEntries),
  fc.array(entryInput, { minLength: 1, maxLength: 3 }).map(createEntries),
  entryInput.map(updateEntry),
  fc.array(entryId, { minLength: 1, maxLength: 2 }).map(deleteEntries),
  fc
    .record(
      {
        spiffeId: fc.constantFrom(`${domain}/a`, `${domain}/b`),
        parentId: fc.constantFrom(`${domain}/p`, agentId('t0')),
        hint: fc.constantFrom('', 'x'),
        downstream: fc.boolean(),
        selectors: fc.uniqueArray(fc.constantFrom('unix:uid:1', 'unix:uid:2', 'k8s:ns:a'), {
          minLength: 1,
        }),
        match: fc.integer({ min: 0, max: 3 }),
      },
      { requiredKeys: [] },
    )
    .chain((filter) =>
      fc.integer({ min: 0, max: 3 }).map((pageSize) => listEntries(filter, pageSize)),
    ),
  fc
    .constantFrom(...tokens)
    .chain((token) => good([60], [0, -1]).map((ttl) => createToken(token, ttl))),
  fc.constantFrom(...tokens, 'unknown').map(attest),
  fc.constantFrom(...tokens).map((token) => onAgent('ban', token)),
  fc.constantFrom(...tokens).map((token) => onAgent('evict', token)),
  fc.constantFrom(...federated).map(setBundle),
  fc.constant(restart()),
]

function command(
  title: string,
  run: (model: Reference, real: RealServer) => Promise<void>,
): Command {
  return {
    check: () => true,
    run: async (model, real) => {
      await run(model, real)
      await expectSame(model, real)
    },
    toString: () => title,
  }
}

function createEntries(inputs: readonly EntryInput[]): Command {
  return command(`create ${JSON.stringify(inputs)}`, async (model, real) => {
    const entries = inputs.map(entryToProto)
    const { results } = await real.entries.batchCreateEntry({ entries, outputMask: undefined })
    expect(results).toHaveLength(inputs.length)
    inputs.forEach((input, index) => {
      const expected = model.create(input)
      const result = results[index]
      expectStatus(result?.status, expected)
      if (expected === ok) {
        const id = result?.entry?.id ?? ''
        expect(id).not.toBe('')
        model.entries.set(id, { ...input, id, revision: 0 })
      } else if (expected.message.startsWith('similar')) {
        expect(result?.entry?.id).toBe(model.similarTo(input)?.id)
      }
    })
  })
}

function updateEntry(input: EntryInput): Command {
  return command(`update ${JSON.stringify(input)}`, async (model, real) => {
    const entries = [entryToProto(input)]
    const { results } = await real.entries.batchUpdateEntry({
      entries,
      inputMask: undefined,
      outputMask: undefined,
    })
    const expected = model.update(input)
    expectStatus(results[0]?.status, expected)
    const before = model.entries.get(input.id)
    if (expected === ok && before)
      model.entries.set(input.id, { ...input, revision: before.revision + 1 })
  })
}

function deleteEntries(ids: readonly string[]): Command {
  return command(`delete ${ids}`, async (model, real) => {
    const { results } = await real.entries.batchDeleteEntry({ ids: [...ids] })
    for (const [index, id] of ids.entries()) expectStatus(results[index]?.status, model.remove(id))
  })
}

function listEntries(filter: EntryFilter, pageSize: number): Command {
  return command(`list ${JSON.stringify(filter)} by ${pageSize}`, async (model, real) => {
    const wire = filterToProto(filter)
    const seen: string[] = []
    let pageToken = ''
    do {
      const page = await real.entries.listEntries({
        filter: wire,
        outputMask: undefined,
        pageSize,
        pageToken,
      })
      seen.push(...page.entries.map((entry) => entry.id))
      pageToken = page.nextPageToken
    } while (pageToken !== '')
    const expected = model.list(filter)
    expect([...seen].sort()).toEqual([...expected].sort())
    const { count } = await real.entries.countEntries({ filter: wire })
    expect(count).toBe(expected.length)
  })
}

function createToken(token: string, ttl: number): Command {
  return command(`token ${token} for ${ttl} s`, async (model, real) => {
    const status = await statusOf(real.agents.createJoinToken({ ttl, token, agentId: undefined }))
    if (ttl < 1)
      return expectStatus(status, { code: 3, message: 'ttl is required, you must provide one' })
    if (model.tokens.has(token))
      return expectStatus(status, { code: 13, message: 'failed to create token: ' })
    expectStatus(status, ok)
    model.tokens.add(token)
  })
}

function attest(token: string): Command {
  return command(`attest with ${token}`, async (model, real) => {
    expectStatus(await statusOf(real.attest(token)), model.attest(token))
  })
}

function onAgent(act: 'ban' | 'evict', token: string): Command {
  return command(`${act} ${token}`, async (model, real) => {
    const id = { trustDomain, path: `/spire/agent/join_token/${token}` }
    const call = act === 'ban' ? real.agents.banAgent({ id }) : real.agents.deleteAgent({ id })
    const expected = act === 'ban' ? model.ban(agentId(token)) : model.evict(agentId(token))
    expectStatus(await statusOf(call), expected)
  })
}

function setBundle(name: string): Command {
  return command(`set bundle ${name}`, async (model, real) => {
    const bundle = {
      trustDomain: name,
      x509Authorities: [],
      jwtAuthorities: [],
      refreshHint: 0n,
      sequenceNumber: 0n,
      witAuthorities: [],
    }
    const { results } = await real.bundles.batchSetFederatedBundle({
      bundle: [bundle],
      outputMask: undefined,
    })
    expectStatus(results[0]?.status, ok)
    model.bundles.add(name)
  })
}

function restart(): Command {
  return command('restart', async (_model, real) => {
    await real.stop()
    await real.start()
  })
}

/** The whole state of both, compared. */
async function expectSame(model: Reference, real: RealServer): Promise<void> {
  const listed = await real.entries.listEntries({
    filter: undefined,
    outputMask: undefined,
    pageSize: 0,
    pageToken: '',
  })
  const entries = listed.entries.map(entryFromProto).sort((a, b) => (a.id < b.id ? -1 : 1))
  const wanted = [...model.entries.values()]
    .map((entry) => ({ ...entry, selectors: [...entry.selectors].sort() }))
    .sort((a, b) => (a.id < b.id ? -1 : 1))
  expect(entries).toEqual(wanted)
  const { agents } = await real.agents.listAgents({
    filter: undefined,
    outputMask: undefined,
    pageSize: 0,
    pageToken: '',
  })
  const seen = agents.map((agent) => ({
    id: `spiffe://${agent.id?.trustDomain}${agent.id?.path}`,
    isBanned: agent.banned,
  }))
  expect(seen.sort((a, b) => (a.id < b.id ? -1 : 1))).toEqual(
    [...model.agents.values()].sort((a, b) => (a.id < b.id ? -1 : 1)),
  )
}

function expectStatus(
  status: { readonly code: number; readonly message: string } | undefined,
  expected: Expected,
): void {
  expect(status?.code, `${status?.message} instead of ${expected.message}`).toBe(expected.code)
  expect(status?.message.slice(0, expected.message.length)).toBe(expected.message)
}

function idToProto(text: string): { trustDomain: string; path: string } {
  const [, name = '', path = ''] = /^spiffe:\/\/([^/]*)(.*)$/.exec(text) ?? []
  return { trustDomain: name, path }
}

function selectorToProto(text: string): { type: string; value: string } {
  const colon = text.indexOf(':')
  return { type: text.slice(0, colon), value: text.slice(colon + 1) }
}

function entryToProto(input: EntryInput): Entry {
  return Entry.fromPartial({
    ...input,
    spiffeId: idToProto(input.spiffeId),
    parentId: idToProto(input.parentId),
    selectors: input.selectors.map(selectorToProto),
    federatesWith: [...input.federatesWith],
    dnsNames: [...input.dnsNames],
  })
}

function entryFromProto(entry: Entry) {
  return {
    id: entry.id,
    spiffeId: `spiffe://${entry.spiffeId?.trustDomain}${entry.spiffeId?.path}`,
    parentId: `spiffe://${entry.parentId?.trustDomain}${entry.parentId?.path}`,
    selectors: entry.selectors.map(({ type, value }) => `${type}:${value}`).sort(),
    federatesWith: entry.federatesWith,
    dnsNames: entry.dnsNames,
    hint: entry.hint,
    x509SvidTtl: entry.x509SvidTtl,
    admin: entry.admin,
    downstream: entry.downstream,
    revision: Number(entry.revisionNumber),
  }
}

function filterToProto(filter: EntryFilter) {
  return {
    bySpiffeId: filter.spiffeId === undefined ? undefined : idToProto(filter.spiffeId),
    byParentId: filter.parentId === undefined ? undefined : idToProto(filter.parentId),
    bySelectors:
      filter.selectors === undefined
        ? undefined
        : {
            selectors: filter.selectors.map(selectorToProto),
            match: (filter.match ?? 0) as 0 | 1 | 2 | 3,
          },
    byFederatesWith: undefined,
    byHint: filter.hint,
    byDownstream: filter.downstream,
  }
}
