import type { Clock } from '../clock.ts'
import type { Logger } from '../log/logger.ts'

/** The process at the other end of a Unix socket, as the kernel said when it connected. */
export interface UnixPeer {
  readonly kind: 'unix'
  readonly pid: number
  readonly uid: number
  readonly gid: number
  /**
   * Checks that the process that connected is still the same, alive, program and credentials.
   *
   * @throws {PeerError} when it is not; the connection is then unusable
   */
  assertAlive(): void
}

/** The other end of a connection with TLS. */
export interface TlsPeer {
  readonly kind: 'tls'
  /** IP address, without port: what limits are counted by. Empty on a Unix socket. */
  readonly address: string
  readonly port: number
  /** Who connected, when it was to a Unix socket; its pid is 0 outside our pid namespace. */
  readonly process?: { readonly pid: number; readonly uid: number; readonly gid: number }
  /** Certificates as the peer sent them, DER, leaf first; empty when it sent none. They have passed the listener's check. */
  readonly chain: readonly Uint8Array[]
  /** What the listener's check returned for the chain. */
  readonly spiffeId: string | undefined
  /** Leaf serial number in decimal; undefined without a chain. */
  readonly serialNumber: string | undefined
  /** Leaf NotAfter in milliseconds since 1970; 0 without a chain. */
  readonly notAfterMs: number
}

export type Peer = UnixPeer | TlsPeer

/** One call: who asks, which method, until when. Handlers get it as their first argument. */
export interface CallContext {
  readonly peer: Peer
  /** `/spire.api.server.entry.v1.Entry/ListEntries` */
  readonly method: string
  /** A fresh UUIDv4, on every log line of the call; not returned to the client. */
  readonly requestId: string
  /** Aborts when the caller has gone or its deadline has passed. */
  readonly signal: AbortSignal
  readonly clock: Clock
  readonly log: Logger
  /** A metadata value the caller sent, or undefined; several values are joined as they came. */
  metadata(name: string): readonly string[]
}
