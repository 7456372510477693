import { parseCertificate } from '@mini-spire/sdk/x509'
import {
  AuthorityStatus,
  type CaJournal,
  type JwtAuthorityRecord,
  type SlotId,
  type X509AuthorityRecord,
} from '../model/authority.ts'
import { ImportError } from './import-error.ts'
import { recordFrom, type SourceRecord } from './source-record.ts'
import { bytesOf, integerOf, type Row, type SpireDatabase, textOf } from './spire-database.ts'
import {
  readStoredJournal,
  type StoredJwtAuthority,
  type StoredX509Authority,
} from './spire-messages.ts'

/**
 * The CA journals, one for each server that used the database. A journal that was imported is known by its row, so that
 * importing again finds it.
 */
export async function* readJournals(
  database: SpireDatabase,
): AsyncGenerator<SourceRecord<'ca-journal'>, void> {
  const rows = database.rows(
    'SELECT id, data, active_x509_authority_id FROM ca_journals ORDER BY id',
  )
  for await (const row of rows) {
    const id = `spire-${integerOf(row, 'id')}`
    yield recordFrom('ca-journal', id, () => journalOf(id, row))
  }
}

function journalOf(id: string, row: Row): CaJournal {
  const { x509, jwt, wit } = readStoredJournal(bytesOf(row, 'data'))
  return {
    id,
    activeX509AuthorityId: textOf(row, 'active_x509_authority_id'),
    x509Authorities: x509.filter(hasSlot).map(x509AuthorityOf),
    jwtAuthorities: jwt.filter(hasSlot).map(jwtAuthorityOf),
    ...(wit.length > 0 && { witAuthorities: wit.filter(hasSlot).map(jwtAuthorityOf) }),
  }
}

/** Entries without a slot are of old versions: SPIRE does not use them either. */
function hasSlot({ slotId }: { readonly slotId: string }): boolean {
  return slotId !== ''
}

function x509AuthorityOf(stored: StoredX509Authority): X509AuthorityRecord {
  const { slotId, status, ...rest } = stored
  parseCertificate(rest.certificate)
  return { ...rest, slotId: slotOf(slotId), status: statusOf(status) }
}

function jwtAuthorityOf(stored: StoredJwtAuthority): JwtAuthorityRecord {
  const { slotId, status, ...rest } = stored
  return { ...rest, slotId: slotOf(slotId), status: statusOf(status) }
}

function slotOf(text: string): SlotId {
  if (text === 'A' || text === 'B') return text
  throw new ImportError('ERR_IMPORT_RECORD_MALFORMED', `unknown slot ${JSON.stringify(text)}`)
}

function statusOf(number: number): AuthorityStatus {
  for (const status of Object.values(AuthorityStatus)) if (status === number) return status
  throw new ImportError('ERR_IMPORT_RECORD_MALFORMED', `unknown authority status ${number}`)
}
