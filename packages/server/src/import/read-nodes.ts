import type { AttestedNode } from '../model/attested-node.ts'
import { isExchangeId } from '../model/exchange-id.ts'
import type { Selector } from '../model/selector.ts'
import { ImportError } from './import-error.ts'
import { idOf, recordFrom, type SourceRecord } from './source-record.ts'
import {
  flagOf,
  integerOf,
  type Row,
  type SpireDatabase,
  secondsOf,
  textOf,
} from './spire-database.ts'

/** The attested nodes, banned ones included, with both serial numbers and their selectors, in the order of attestation. */
export async function* readNodes(
  database: SpireDatabase,
): AsyncGenerator<SourceRecord<'node'>, void> {
  const selectors = await readNodeSelectors(database)
  const rows = database.rows(
    `SELECT spiffe_id, data_type, serial_number, expires_at, new_serial_number, new_expires_at, can_reattest,
      agent_version FROM attested_node_entries ORDER BY id`,
  )
  for await (const row of rows) {
    const key = textOf(row, 'spiffe_id')
    yield recordFrom('node', key, () => nodeOf(row, selectors.get(key) ?? []))
  }
}

/** The join tokens that are neither used nor expired; only their hashes leave this function. */
export async function* readJoinTokens(
  database: SpireDatabase,
  options: { readonly nowSeconds: number; readonly hash: (token: string) => string },
): AsyncGenerator<SourceRecord<'join-token'>, void> {
  for await (const row of database.rows('SELECT token, expiry FROM join_tokens ORDER BY id')) {
    const expiresAtSeconds = integerOf(row, 'expiry')
    if (expiresAtSeconds < options.nowSeconds) continue
    const tokenHash = options.hash(textOf(row, 'token'))
    yield recordFrom('join-token', tokenHash, () => ({ tokenHash, expiresAtSeconds }))
  }
}

function nodeOf(row: Row, selectors: readonly Selector[]): AttestedNode {
  const spiffeId = idOf(row, 'spiffe_id')
  if (isExchangeId(spiffeId)) {
    const text = 'column spiffe_id: the ID stands for an issuer of tokens here'
    throw new ImportError('ERR_IMPORT_RECORD_MALFORMED', text)
  }
  return {
    spiffeId,
    attestationType: textOf(row, 'data_type'),
    serialNumber: textOf(row, 'serial_number'),
    expiresAtSeconds: secondsOf(row, 'expires_at'),
    newSerialNumber: textOf(row, 'new_serial_number'),
    newExpiresAtSeconds: secondsOf(row, 'new_expires_at'),
    canReattest: flagOf(row, 'can_reattest'),
    agentVersion: textOf(row, 'agent_version'),
    selectors,
  }
}

async function readNodeSelectors(
  database: SpireDatabase,
): Promise<ReadonlyMap<string, readonly Selector[]>> {
  const groups = new Map<string, Selector[]>()
  const rows = database.rows(
    'SELECT spiffe_id, type, value FROM node_resolver_map_entries ORDER BY id',
  )
  for await (const row of rows) {
    const id = textOf(row, 'spiffe_id')
    const selector = { type: textOf(row, 'type'), value: textOf(row, 'value') }
    groups.set(id, [...(groups.get(id) ?? []), selector])
  }
  return groups
}
