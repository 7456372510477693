/** How fast what a peer asks is read. */
export interface RequestPace {
  /** Counts something that it asked. */
  take(): void
  /** How long nothing more should be read of it; nothing or less: it may go on. */
  waitMs(): number
}
