/** Bounds of an HTTPS listener that anybody may connect to. */
export interface HttpsLimits {
  /** Connections at once, in total and by one address. @default 1024 and 64 */
  readonly maxConnections: number
  readonly maxConnectionsPerAddress: number
  /**
   * TLS handshakes at once (others wait), and beside them those that have been slow; by one address, those that wait included (others are
   * refused). @default 32, 128 and 8
   */
  readonly maxHandshakes: number
  readonly maxSlowHandshakes: number
  readonly maxHandshakesPerAddress: number
  /** Connections that may wait for their handshake; more are refused. @default 256 */
  readonly maxWaitingHandshakes: number
  /** New connections per second by one address, after a burst of ten times as many. @default 20 */
  readonly handshakesPerSecondPerAddress: number
  /** A handshake that takes longer is cut off. @default 10000 */
  readonly handshakeTimeoutMs: number
  /** A request that takes longer to arrive is cut off. @default 10000 */
  readonly requestTimeoutMs: number
  /** An answer that is not taken within this time is cut off. @default 30000 */
  readonly answerTimeoutMs: number
  /** A connection without requests is closed after this time. @default 5000 */
  readonly idleTimeoutMs: number
  /** The largest request head, in bytes. @default 8192 */
  readonly maxHeadBytes: number
  /** Requests that one connection may make. @default 100 */
  readonly maxRequestsPerConnection: number
}

/** What a listener keeps to when nothing else is asked for. */
export const defaultHttpsLimits: HttpsLimits = {
  maxConnections: 1024,
  maxConnectionsPerAddress: 64,
  maxHandshakes: 32,
  maxSlowHandshakes: 128,
  maxHandshakesPerAddress: 8,
  maxWaitingHandshakes: 256,
  handshakesPerSecondPerAddress: 20,
  handshakeTimeoutMs: 10_000,
  requestTimeoutMs: 10_000,
  answerTimeoutMs: 30_000,
  idleTimeoutMs: 5_000,
  maxHeadBytes: 8 * 1024,
  maxRequestsPerConnection: 100,
}
