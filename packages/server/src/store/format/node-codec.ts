import type { AttestedNode } from '../../model/attested-node.ts'
import type { JoinToken } from '../../model/join-token.ts'
import type { BinaryReader } from './binary-reader.ts'
import type { BinaryWriter } from './binary-writer.ts'
import { type IdReader, writeId, writeSelectors } from './id-codec.ts'

/** Writes a node's fields in the order of docs/store-format.md. */
export function writeNode(writer: BinaryWriter, node: AttestedNode): void {
  writeId(writer, node.spiffeId)
  writer.string(node.attestationType)
  writer.string(node.serialNumber)
  writer.signed(node.expiresAtSeconds)
  writer.string(node.newSerialNumber)
  writer.signed(node.newExpiresAtSeconds)
  writer.byte(node.canReattest ? 1 : 0)
  writer.string(node.agentVersion)
  writeSelectors(writer, node.selectors)
}

/** Reads what {@link writeNode} wrote. */
export function readNode(reader: BinaryReader, ids: IdReader): AttestedNode {
  return {
    spiffeId: ids.id(reader),
    attestationType: reader.string(),
    serialNumber: reader.string(),
    expiresAtSeconds: reader.signed(),
    newSerialNumber: reader.string(),
    newExpiresAtSeconds: reader.signed(),
    canReattest: reader.byte() !== 0,
    agentVersion: reader.string(),
    selectors: ids.selectors(reader),
  }
}

/** Writes a join token: its hash and expiry. */
export function writeJoinToken(writer: BinaryWriter, token: JoinToken): void {
  writer.string(token.tokenHash)
  writer.signed(token.expiresAtSeconds)
}

/** Reads what {@link writeJoinToken} wrote. */
export function readJoinToken(reader: BinaryReader): JoinToken {
  return { tokenHash: reader.string(), expiresAtSeconds: reader.signed() }
}
