/** For which of its two reasons an agent asks a bootstrap source, with SPIRE's numbers. */
export const BootstrapUse = { Unspecified: 0, Bootstrap: 1, Rebootstrap: 2 } as const
export type BootstrapUse = (typeof BootstrapUse)[keyof typeof BootstrapUse]

/** What an agent remembers across restarts; its key is in the key manager. */
export interface AgentState {
  /** Own chain, DER, leaf first; empty: none. */
  readonly svid: readonly Uint8Array[]
  /** Whether the attestor that got the SVID can attest again. */
  readonly isReattestable: boolean
  /** Root certificates of the own trust domain, DER; empty: none. */
  readonly bundle: readonly Uint8Array[]
  readonly bootstrapUse: BootstrapUse
  /** Undefined: no bootstrap is under way. */
  readonly bootstrapStartTime: Date | undefined
  readonly connectionAttempts: number
}

/** An agent that has never run. */
export const emptyAgentState: AgentState = {
  svid: [],
  isReattestable: false,
  bundle: [],
  bootstrapUse: BootstrapUse.Unspecified,
  bootstrapStartTime: undefined,
  connectionAttempts: 0,
}

/** Where the agent's state is kept. */
export interface AgentStorage {
  /** The state as last written, or as found at start. */
  readonly state: AgentState
  /**
   * Changes some of the state. Changes are written one after the other, each crash-safe.
   *
   * The state in memory changes even when writing fails.
   *
   * @throws {StorageError} `ERR_STATE_UNWRITABLE`
   */
  update(change: Partial<AgentState>): Promise<void>
}
