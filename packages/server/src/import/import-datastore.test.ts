import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { hashJoinToken } from '../attestation/join-tokens.ts'
import { TestState } from '../ca/ca.test-kit.ts'
import type { TrustBundle } from '../model/trust-bundle.ts'
import { Registry } from '../registry/registry.ts'
import { MemoryStore } from '../store/memory/memory-store.ts'
import type { Store } from '../store/store.ts'
import {
  createSpireSchema,
  type Execute,
  encodeSpireBundle,
  encodeSpireJournal,
  insertRow,
  sqliteBytes,
  sqliteDialect,
} from './import.test-kit.ts'
import { importDatastore } from './import-datastore.ts'
import { ImportMarker, refuseIncompleteImport } from './import-marker.ts'
import type { ImportReport } from './import-report.ts'
import { openSource } from './open-source.ts'

const agent = 'spiffe://example.org/spire/agent/join_token/one'
const created = '2026-02-01 20:00:06.553943793+00:00'
const trustDomain = TrustDomain.parse('example.org')

let folder: string
let state: TestState
let registry: Registry
let store: Store
const clock = new FakeClock()

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'import-'))
  state = new TestState()
  await state.manager({ witKeyType: 'ec-p256' }).start()
  registry = new Registry({ clock })
  store = MemoryStore.create({ clock })
  await store.open((changes) => registry.apply(changes))
})
afterEach(async () => {
  await store.close()
  rmSync(folder, { recursive: true })
})

/** What a server had whose authorities are those of the test state. */
async function fillUsual(execute: Execute): Promise<void> {
  await createSpireSchema(execute, sqliteDialect)
  const own = state.registry.bundles.find('example.org')
  const [journal] = state.registry.journals.values()
  if (!own || !journal) throw new Error('the test state has no authorities')
  const other = TrustDomain.parse('other.org')
  for (const bundle of [own, { ...own, trustDomain: other, refreshHintSeconds: 60 }]) {
    const data = encodeSpireBundle(bundle)
    await insertRow(execute, 'bundles', { trust_domain: bundle.trustDomain.idString, data })
  }
  await insertRow(execute, 'ca_journals', {
    data: encodeSpireJournal(journal),
    active_x509_authority_id: journal.activeX509AuthorityId,
  })
  await insertRow(execute, 'registered_entries', {
    created_at: created,
    entry_id: 'one',
    spiffe_id: 'spiffe://example.org/one',
    parent_id: agent,
    ttl: 600,
    admin: true,
    downstream: false,
    expiry: 4611686018427387904n,
    revision_number: 7,
    store_svid: false,
    hint: 'h',
    jwt_svid_ttl: 60,
    additional_attributes: new Uint8Array([0x10, 1]),
  })
  for (const value of ['uid:1', 'gid:2:3']) {
    await insertRow(execute, 'selectors', { registered_entry_id: 1, type: 'unix', value })
  }
  await insertRow(execute, 'dns_names', { registered_entry_id: 1, value: 'a.test' })
  await insertRow(execute, 'federated_registration_entries', {
    bundle_id: 2,
    registered_entry_id: 1,
  })
  await insertRow(execute, 'attested_node_entries', {
    spiffe_id: agent,
    data_type: 'join_token',
    serial_number: '111',
    expires_at: '2026-03-01 13:00:00+00:00',
    new_serial_number: '222',
    new_expires_at: '2026-03-01 14:00:00+02:00',
    can_reattest: false,
    agent_version: '1.15.3',
  })
  await insertRow(execute, 'attested_node_entries', {
    spiffe_id: 'spiffe://example.org/spire/agent/x509pop/banned',
    data_type: 'x509pop',
    serial_number: '',
    expires_at: '2026-03-01 13:00:00+00:00',
    new_serial_number: '',
    new_expires_at: null,
    can_reattest: true,
    agent_version: '',
  })
  const selector = { spiffe_id: agent, type: 'x', value: 'a:b' }
  await insertRow(execute, 'node_resolver_map_entries', selector)
  await insertRow(execute, 'join_tokens', { token: 'secret', expiry: clock.nowMs() / 1000 + 60 })
  await insertRow(execute, 'join_tokens', { token: 'expired', expiry: clock.nowMs() / 1000 - 60 })
  await insertRow(execute, 'federated_trust_domains', {
    trust_domain: 'other.org',
    bundle_endpoint_url: 'https://other.org/b',
    bundle_endpoint_profile: 'https_spiffe',
    endpoint_spiffe_id: 'spiffe://other.org/spire/server',
  })
}

async function run(
  fill: (execute: Execute) => Promise<void>,
  options: { readonly isDryRun?: boolean; readonly store?: Pick<Store, 'commit'> } = {},
): Promise<ImportReport> {
  const path = join(folder, 'datastore.sqlite3')
  writeFileSync(path, await sqliteBytes(fill))
  const before = readFileSync(path)
  const source = await openSource({ type: 'sqlite3', connectionString: path })
  try {
    return await importDatastore({
      source,
      trustDomain,
      store,
      registry,
      marker: new ImportMarker(folder, 'the command'),
      keys: await state.keyManager.listKeys(),
      isDryRun: false,
      actor: { class: 'local', id: 'uid:0' },
      clock,
      onProgress: () => {},
      ...options,
    })
  } finally {
    await source.database.close()
    expect(readFileSync(path).equals(before)).toBe(true)
  }
}

describe('importing a SPIRE server’s database', () => {
  it('refuses that of another trust domain, before anything is written', async () => {
    const foreign = async (execute: Execute): Promise<void> => {
      await createSpireSchema(execute, sqliteDialect)
      const id = 'spiffe://foreign.org/x'
      await insertRow(execute, 'registered_entries', { entry_id: 'a', spiffe_id: id })
    }
    await expect(run(foreign)).rejects.toMatchObject({ code: 'ERR_IMPORT_TRUST_DOMAIN' })
    expect(store.position().revision).toBe(0)
  })

  it.each([24, 26])(
    'refuses schema version %i, whose columns it does not know',
    async (version) => {
      const other = (execute: Execute): Promise<void> =>
        createSpireSchema(execute, sqliteDialect, version)
      await expect(run(other)).rejects.toMatchObject({ code: 'ERR_IMPORT_SOURCE_VERSION' })
    },
  )

  it('refuses single records that are malformed, says why, and takes the others', async () => {
    const report = await run(async (execute) => {
      await fillUsual(execute)
      await insertRow(execute, 'registered_entries', {
        created_at: created,
        entry_id: 'bad',
        spiffe_id: 'spiffe://example.org/..',
        parent_id: agent,
      })
      const data = new Uint8Array([0x12, 0x7f, 1])
      await insertRow(execute, 'bundles', { trust_domain: 'spiffe://broken.org', data })
      await insertRow(execute, 'federated_trust_domains', {
        trust_domain: 'broken.org',
        bundle_endpoint_profile: 'carrier_pigeon',
      })
      await insertRow(execute, 'ca_journals', { data: new Uint8Array([0x0a, 3, 0x0a, 1, 0x43]) })
    })
    expect(report.problems.map(({ kind, key, outcome }) => `${kind} ${key} ${outcome}`)).toEqual([
      'bundle broken.org refused',
      'federation-relationship broken.org refused',
      'entry bad refused',
      'ca-journal spire-2 refused',
    ])
    expect(report.problems[2]?.reason).toContain('column spiffe_id')
    expect(report.counts.get('entry')).toMatchObject({ created: 1, refused: 1 })
  })

  it('keeps entries with IDs, revision, creation time and everything that hangs on them', async () => {
    await run(fillUsual)
    expect(registry.entries.find('one')).toMatchObject({
      id: 'one',
      selectors: [
        { type: 'unix', value: 'uid:1' },
        { type: 'unix', value: 'gid:2:3' },
      ],
      x509SvidTtlSeconds: 600,
      jwtSvidTtlSeconds: 60,
      admin: true,
      downstream: false,
      expiresAtSeconds: 2 ** 62,
      dnsNames: ['a.test'],
      revisionNumber: 7,
      hint: 'h',
      // Rounded up from 06.55, as SPIRE's API shows it.
      createdAtSeconds: Date.parse('2026-02-01T20:00:07Z') / 1000,
      disableX509SvidPrefetch: false,
      jwtSvidIncludeJti: true,
    })
    const entry = registry.entries.find('one')
    expect(entry?.federatesWith.map(String)).toEqual(['other.org'])
    expect([entry?.spiffeId, entry?.parentId].map(String)).toEqual([
      'spiffe://example.org/one',
      agent,
    ])
  })

  it('keeps attested nodes with both serial numbers and selectors, and bans', async () => {
    await run(fillUsual)
    expect(registry.nodes.find(agent)).toMatchObject({
      attestationType: 'join_token',
      serialNumber: '111',
      expiresAtSeconds: Date.parse('2026-03-01T13:00:00Z') / 1000,
      newSerialNumber: '222',
      newExpiresAtSeconds: Date.parse('2026-03-01T12:00:00Z') / 1000,
      canReattest: false,
      agentVersion: '1.15.3',
      selectors: [{ type: 'x', value: 'a:b' }],
    })
    const banned = registry.nodes.find('spiffe://example.org/spire/agent/x509pop/banned')
    expect(banned).toMatchObject({ serialNumber: '', canReattest: true, newExpiresAtSeconds: 0 })
  })

  it('keeps unused join tokens as hashes, and none that has expired', async () => {
    const report = await run(fillUsual)
    expect(registry.joinTokens.size).toBe(1)
    expect(registry.joinTokens.find(hashJoinToken('secret'))).toBeDefined()
    expect(JSON.stringify([...report.counts, report])).not.toContain('secret')
  })

  it('keeps bundles, relationships and authorities, so that the server signs with the same keys', async () => {
    const report = await run(fillUsual)
    const own = state.registry.bundles.find('example.org')
    expect(withHexBytes(registry.bundles.find('example.org'))).toEqual(withHexBytes(own))
    expect(registry.bundles.find('other.org')).toMatchObject({ refreshHintSeconds: 60 })
    expect(registry.relationships.find('other.org')).toMatchObject({
      bundleEndpointUrl: 'https://other.org/b',
      profile: { kind: 'https_spiffe' },
    })
    expect(report.warnings).toEqual([])
    expect(report.authorities.map(({ type, status, hasKey }) => [type, status, hasKey])).toEqual([
      ['x509', 'active', true],
      ['jwt', 'active', true],
      ['wit', 'active', true],
    ])
    const before = [...state.registry.journals.values()][0]?.activeX509AuthorityId
    const after = new TestState()
    after.keyManager = state.keyManager
    for (const change of [...registry.bundles.values()]) {
      await put(after, 'bundle', change.trustDomain.name, change)
    }
    for (const journal of registry.journals.values())
      await put(after, 'ca-journal', journal.id, journal)
    const manager = after.manager({ witKeyType: 'ec-p256' })
    await manager.start()
    expect(manager.x509().authorityId).toBe(before)
    expect(manager.wit().keyId).toBe(own?.witAuthorities?.[0]?.keyId)
  })

  it('warns when the keys of the active authority are not at hand', async () => {
    state.keyManager = new TestState().keyManager
    const report = await run(async (execute) => {
      const filled = new TestState()
      await filled.manager().start()
      state = filled
      await fillUsual(execute)
      state.keyManager = new TestState().keyManager
    })
    expect(report.warnings).toEqual([expect.stringContaining('no key of an active X.509')])
  })

  it('writes nothing in a dry run', async () => {
    const report = await run(fillUsual, { isDryRun: true })
    expect(report.counts.get('entry')).toMatchObject({ created: 1 })
    expect(store.position().revision).toBe(0)
    expect(existsSync(join(folder, 'import-incomplete'))).toBe(false)
  })

  it('changes nothing when it is done again', async () => {
    await run(fillUsual)
    const { revision } = store.position()
    const report = await run(fillUsual)
    expect(store.position().revision).toBe(revision)
    for (const counts of report.counts.values()) {
      expect(counts).toMatchObject({ created: 0, conflicts: 0, refused: 0 })
    }
  })

  it('leaves what has changed here since as it is, and reports it', async () => {
    await run(fillUsual)
    const entry = registry.entries.find('one')
    if (!entry) throw new Error('not imported')
    const value = { ...entry, hint: 'ours' }
    await store.commit([
      {
        cause: { actor: { class: 'local', id: 'uid:0' }, requestId: '', reason: 'test' },
        mutations: [{ op: 'put', kind: 'entry', key: 'one', value, expect: 'present' }],
      },
    ])
    const report = await run(fillUsual)
    expect(report.problems).toMatchObject([{ kind: 'entry', key: 'one', outcome: 'conflict' }])
    expect(registry.entries.find('one')?.hint).toBe('ours')
  })

  it('is finished by doing it again after an interruption; until then no server starts', async () => {
    let commits = 0
    const failing: Pick<Store, 'commit'> = {
      commit: (transactions) =>
        ++commits > 2 ? Promise.reject(new Error('killed')) : store.commit(transactions),
    }
    await expect(run(fillUsual, { store: failing })).rejects.toThrow('killed')
    await expect(refuseIncompleteImport(folder)).rejects.toMatchObject({
      code: 'ERR_IMPORT_INCOMPLETE',
      message: expect.stringContaining('the command'),
    })
    const report = await run(fillUsual)
    expect(report.counts.get('bundle')).toMatchObject({ created: 0, unchanged: 2 })
    expect(report.counts.get('entry')).toMatchObject({ created: 1 })
    await refuseIncompleteImport(folder)
  })
})

/** A bundle whose bytes compare by value, whatever kind of array holds them. */
function withHexBytes(bundle: TrustBundle | undefined): unknown {
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
  return {
    ...bundle,
    x509Authorities: bundle?.x509Authorities.map((one) => ({
      ...one,
      certificate: hex(one.certificate),
    })),
    jwtAuthorities: bundle?.jwtAuthorities.map((one) => ({
      ...one,
      publicKey: hex(one.publicKey),
    })),
    witAuthorities: bundle?.witAuthorities?.map((one) => ({
      ...one,
      publicKey: hex(one.publicKey),
    })),
  }
}

async function put(
  target: TestState,
  kind: 'bundle' | 'ca-journal',
  key: string,
  value: unknown,
): Promise<void> {
  const mutation = { op: 'put', kind, key, value, expect: 'any' } as never
  const cause = { actor: { class: 'server', id: 'test' }, requestId: '', reason: 'test' } as const
  const [refusal] = await target.store.commit([{ cause, mutations: [mutation] }])
  if (refusal) throw refusal
}
