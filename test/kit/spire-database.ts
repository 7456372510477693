import { systemClock } from '@mini-spire/runtime/clock'
import { DiskKeyManager } from '@mini-spire/runtime/key-manager/disk/disk-key-manager'
import { silentLogger } from '@mini-spire/runtime/log/logger'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { OwnBundle } from '@mini-spire/server/bundle/own-bundle'
import { AuthorityManager } from '@mini-spire/server/ca/authority-manager'
import {
  createSpireSchema,
  type Execute,
  encodeSpireBundle,
  encodeSpireJournal,
  insertRow,
  type SqlDialect,
} from '@mini-spire/server/import/import.test-kit'
import { Registry } from '@mini-spire/server/registry/registry'
import { MemoryStore } from '@mini-spire/server/store/memory/memory-store'

/** The trust domain of {@link fillSpireDatabase}. */
const trustDomain = TrustDomain.parse('example.org')

/** What a test knows of a database that {@link fillSpireDatabase} has filled. */
export interface FilledDatabase {
  /** Key identifier of the authority that signs. */
  readonly authorityId: string
  readonly agentId: string
  readonly entryCount: number
}

/**
 * Fills a database as a SPIRE server would have, with authorities whose keys are in a keys file.
 *
 * @param keysPath the keys file, written anew
 * @param entryCount how many registration entries there are
 */
export async function fillSpireDatabase(
  execute: Execute,
  dialect: SqlDialect,
  keysPath: string,
  entryCount: number = 1200,
): Promise<FilledDatabase> {
  const registry = await madeAuthorities(keysPath)
  const own = registry.bundles.find(trustDomain.name)
  const [journal] = registry.journals.values()
  if (!own || !journal) throw new Error('no authorities were made')
  await createSpireSchema(execute, dialect)
  const data = encodeSpireBundle(own)
  await insertRow(execute, 'bundles', { trust_domain: trustDomain.idString, data })
  await insertRow(execute, 'ca_journals', {
    data: encodeSpireJournal(journal),
    active_x509_authority_id: journal.activeX509AuthorityId,
  })
  const agentId = 'spiffe://example.org/spire/agent/x509pop/one'
  await insertRow(execute, 'attested_node_entries', {
    spiffe_id: agentId,
    data_type: 'x509pop',
    serial_number: '1234',
    expires_at: '2036-03-01 13:00:00+00:00',
    new_serial_number: '',
    new_expires_at: null,
    can_reattest: true,
    agent_version: '1.15.3',
  })
  for (let id = 1; id <= entryCount; id++) {
    await insertRow(execute, 'registered_entries', {
      created_at: '2026-03-01 13:00:00.25+00:00',
      entry_id: `entry-${id}`,
      spiffe_id: `spiffe://example.org/workload/${id}`,
      parent_id: agentId,
      ttl: 600,
      admin: false,
      downstream: false,
      expiry: 0,
      revision_number: 3,
      store_svid: false,
      hint: '',
      jwt_svid_ttl: 0,
      additional_attributes: null,
    })
    const selector = { registered_entry_id: id, type: 'unix', value: `uid:${id}` }
    await insertRow(execute, 'selectors', selector)
  }
  return { authorityId: journal.activeX509AuthorityId, agentId, entryCount }
}

/** What a server that has made its first authorities knows. */
async function madeAuthorities(keysPath: string): Promise<Registry> {
  const clock = systemClock
  const registry = new Registry({ clock })
  const store = MemoryStore.create({ clock })
  await store.open((changes) => registry.apply(changes))
  const manager = new AuthorityManager({
    trustDomain,
    keyManager: await DiskKeyManager.openFile(keysPath),
    bundle: new OwnBundle({ trustDomain, store, bundles: registry.bundles }),
    store,
    journals: registry.journals,
    clock,
    log: silentLogger,
    x509KeyType: 'ec-p256',
    jwtKeyType: 'ec-p256',
    caTtlSeconds: 24 * 3600,
    caSubject: { country: ['US'], organization: ['SPIFFE'], commonName: '' },
    isJwtDisabled: false,
  })
  await manager.start()
  await store.close()
  return registry
}
