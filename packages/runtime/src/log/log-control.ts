import type { Logger, LogLevel } from './logger.ts'

/** The level of a running daemon's log, as the Logger API reads and changes it. */
export interface LogLevelControl {
  readonly level: LogLevel
  /** The level of the configuration, to which a reset returns. */
  readonly launchLevel: LogLevel
  setLevel(level: LogLevel): void
}

/** The logger of a daemon: the one whose level changes for all that were derived from it. */
export interface RootLogger extends Logger, LogLevelControl {
  /** Opens the log file anew, after it was moved away; does nothing without one. */
  reopen(): void
}
