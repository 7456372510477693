import {
  AuthorityStatus,
  type CaJournal,
  type JwtAuthorityRecord,
  type SlotId,
  type X509AuthorityRecord,
} from '../../model/authority.ts'
import { StoreError } from '../store-error.ts'
import type { BinaryReader } from './binary-reader.ts'
import type { BinaryWriter } from './binary-writer.ts'
import { readList } from './id-codec.ts'

/** Writes a journal's fields in the order of docs/store-format.md. */
export function writeJournal(writer: BinaryWriter, journal: CaJournal): void {
  writer.string(journal.id)
  writer.string(journal.activeX509AuthorityId)
  writer.unsigned(journal.x509Authorities.length)
  for (const authority of journal.x509Authorities) writeX509Authority(writer, authority)
  writer.unsigned(journal.jwtAuthorities.length)
  for (const authority of journal.jwtAuthorities) writeJwtAuthority(writer, authority)
  // A journal without them stays as it was before there were any.
  const { witAuthorities = [] } = journal
  if (witAuthorities.length === 0) return
  writer.unsigned(witAuthorities.length)
  for (const authority of witAuthorities) writeJwtAuthority(writer, authority)
}

/** Reads what {@link writeJournal} wrote. */
export function readJournal(reader: BinaryReader): CaJournal {
  const journal: CaJournal = {
    id: reader.string(),
    activeX509AuthorityId: reader.string(),
    x509Authorities: readList(reader, () => readX509Authority(reader)),
    jwtAuthorities: readList(reader, () => readJwtAuthority(reader)),
  }
  if (reader.isAtEnd) return journal
  return { ...journal, witAuthorities: readList(reader, () => readJwtAuthority(reader)) }
}

function writeX509Authority(writer: BinaryWriter, authority: X509AuthorityRecord): void {
  writer.string(authority.slotId)
  writer.byte(authority.status)
  writer.signed(authority.issuedAtSeconds)
  writer.signed(authority.notAfterSeconds)
  writer.bytes(authority.certificate)
  writer.unsigned(authority.upstreamChain.length)
  for (const certificate of authority.upstreamChain) writer.bytes(certificate)
  writer.string(authority.authorityId)
  writer.string(authority.upstreamAuthorityId)
}

function readX509Authority(reader: BinaryReader): X509AuthorityRecord {
  return {
    slotId: readSlot(reader),
    status: readStatus(reader),
    issuedAtSeconds: reader.signed(),
    notAfterSeconds: reader.signed(),
    certificate: reader.bytes(),
    upstreamChain: readList(reader, () => reader.bytes()),
    authorityId: reader.string(),
    upstreamAuthorityId: reader.string(),
  }
}

function writeJwtAuthority(writer: BinaryWriter, authority: JwtAuthorityRecord): void {
  writer.string(authority.slotId)
  writer.byte(authority.status)
  writer.signed(authority.issuedAtSeconds)
  writer.signed(authority.notAfterSeconds)
  writer.string(authority.keyId)
  writer.bytes(authority.publicKey)
}

function readJwtAuthority(reader: BinaryReader): JwtAuthorityRecord {
  return {
    slotId: readSlot(reader),
    status: readStatus(reader),
    issuedAtSeconds: reader.signed(),
    notAfterSeconds: reader.signed(),
    keyId: reader.string(),
    publicKey: reader.bytes(),
  }
}

function readSlot(reader: BinaryReader): SlotId {
  const slot = reader.string()
  if (slot === 'A' || slot === 'B') return slot
  throw new StoreError('ERR_STORE_CORRUPT', 'stored authority has an unknown slot')
}

function readStatus(reader: BinaryReader): AuthorityStatus {
  const number = reader.byte()
  for (const status of Object.values(AuthorityStatus)) if (status === number) return status
  throw new StoreError('ERR_STORE_CORRUPT', 'stored authority has an unknown status')
}
