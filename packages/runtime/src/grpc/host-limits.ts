/**
 * Bounds of a host; every one has a default, see {@link defaultHostLimits}. IPv6 addresses are counted by network, the first 64
 * bits.
 */
export interface HostLimits {
  /**
   * Connections at once, in total, of clients without a certificate (what is left is for the others, and for the local socket; one more
   * takes the place of the oldest), and by one address. Where fewer files may be open there are fewer. @default 20000, half of it, and 4096
   */
  readonly maxConnections: number
  readonly maxConnectionsOfStrangers: number
  readonly maxConnectionsPerAddress: number
  /**
   * TLS handshakes at once (others wait), and beside them those that have been slow; by one address, those that wait included (others are
   * refused). @default 64, 512 and 32
   */
  readonly maxHandshakes: number
  readonly maxSlowHandshakes: number
  readonly maxHandshakesPerAddress: number
  /** Connections that may wait for their handshake; more are refused. @default 4096 */
  readonly maxWaitingHandshakes: number
  /** New connections per second by one address, after a burst of the same size ten times over. @default 100 */
  readonly handshakesPerSecondPerAddress: number
  /** A handshake that takes longer is cut off. @default 10000 */
  readonly handshakeTimeoutMs: number
  /**
   * What is under way on a connection that was told to go elsewhere is cut off after this: or a peer that does not read
   * could hold its calls, and what its certificate was good for, for ever. @default 60000
   */
  readonly connectionAgeGraceMs: number
  /**
   * Calls per second of clients without a certificate, by address, after a burst of five times as many: of who sends more, less is
   * read. @default 200
   */
  readonly callsPerSecondOfStrangersPerAddress: number
  /** Streams a peer may have open on one connection. @default 1000 */
  readonly maxStreamsPerConnection: number
  /** Calls with an answer outstanding, in total and by one address (one process on a Unix socket). @default 8192 and 1024 */
  readonly maxCalls: number
  readonly maxCallsPerAddress: number
  /**
   * What is kept of requests that are not complete, or not read, in bytes: in total, of those without a certificate, and by one address
   * (one process on a Unix socket). A connection that keeps up to 16 KiB is not counted. @default 268435456, half of it, a quarter of it
   */
  readonly maxRequestBytes: number
  readonly maxRequestBytesOfStrangers: number
  readonly maxRequestBytesPerAddress: number
  /** The largest message taken, in bytes, as gRPC's own default. @default 4194304 */
  readonly maxReceiveBytes: number
}

/** What a host keeps to when nothing else is asked for. */
export const defaultHostLimits: HostLimits = {
  maxConnections: 20_000,
  maxConnectionsOfStrangers: 10_000,
  maxConnectionsPerAddress: 4_096,
  maxHandshakes: 64,
  maxSlowHandshakes: 512,
  maxHandshakesPerAddress: 32,
  maxWaitingHandshakes: 4_096,
  handshakesPerSecondPerAddress: 100,
  handshakeTimeoutMs: 10_000,
  connectionAgeGraceMs: 60_000,
  callsPerSecondOfStrangersPerAddress: 200,
  maxStreamsPerConnection: 1_000,
  maxCalls: 8_192,
  maxCallsPerAddress: 1_024,
  maxRequestBytes: 256 * 1024 * 1024,
  maxRequestBytesOfStrangers: 128 * 1024 * 1024,
  maxRequestBytesPerAddress: 64 * 1024 * 1024,
  maxReceiveBytes: 4 * 1024 * 1024,
}
