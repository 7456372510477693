/** Bounds of a connection that nobody sets. */
export const defaultSessionLimits = {
  /** Fields of a request, each counted with 32 bytes more; the compressed block may not be longer either. As Node's. */
  headers: { maxBytes: 65_535, maxFields: 128 },
  /** Streams that end by a reset, the peer's or one that it brought about. */
  resets: { burst: 1_000, perSecond: 33 },
  /** With so few resets left the peer is told to open another connection, before this one is cut with every call on it. */
  resetsInReserve: 200,
  /** Frames that say nothing: empty ones, priorities, unknown types. */
  idleFrames: { burst: 1_000, perSecond: 100 },
  /** Streams that were ended while the peer still sent, and are remembered for what it had under way. */
  maxCutStreams: 128,
  /** What is kept of the requests of one connection that are not complete, or not read: eight of the largest messages. */
  maxRequestBytes: 33_554_432,
  /** Answers to PING and SETTINGS that the peer does not take. */
  maxUntakenReplies: 1_000,
  /** With more than this to be taken by the peer, nothing more is read from it. */
  maxWaitingBytes: 131_072,
  /** A frame or header block that has begun, and the preface, have to be there by then. */
  stallMs: 10_000,
  /** A peer that is told to go elsewhere may take so long to say that it has heard; then it is taken to have. */
  unheardMs: 400,
  /** A peer that was told that its connection is over may take so long to close it. */
  lingerMs: 500,
} as const
