import type { TLSSocket } from 'node:tls'
import { readSentCertificates } from '../sent-certificates.ts'

/** More certificates than this are not looked at; no server needs them. */
const longestChain = 16

/** The certificates that a server sent, DER, leaf first. */
export function readServerChain(socket: TLSSocket): readonly Uint8Array[] {
  return readSentCertificates(socket, longestChain).map(({ raw }) => new Uint8Array(raw))
}
