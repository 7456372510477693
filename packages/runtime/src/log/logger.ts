/** Levels as SPIRE's Logger API numbers them: 1 panic … 7 trace. */
export type LogLevel = 'panic' | 'fatal' | 'error' | 'warning' | 'info' | 'debug' | 'trace'

/** What a log field may hold. Never a key, token or attestation payload. */
export type LogFields = { readonly [name: string]: unknown }

/**
 * A log line is a message that never varies (operators search for it) and fields that do.
 *
 * Loggers are values: {@link Logger.with} returns one that adds fields to every line. Level changes at run time reach all.
 */
export interface Logger {
  with(fields: LogFields): Logger
  isEnabled(level: LogLevel): boolean
  log(level: LogLevel, message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  debug(message: string, fields?: LogFields): void
  trace(message: string, fields?: LogFields): void
}

/** A logger that drops every line. */
export const silentLogger: Logger = {
  with: () => silentLogger,
  isEnabled: () => false,
  log: () => {},
  error: () => {},
  warn: () => {},
  info: () => {},
  debug: () => {},
  trace: () => {},
}
