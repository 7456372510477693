import type { Clock } from '../clock.ts'
import { createLogger } from './create-logger.ts'
import { type LogDestination, logFile, standardOutput } from './destination.ts'
import type { LogFormat } from './format.ts'
import type { RootLogger } from './log-control.ts'
import type { LogLevel } from './logger.ts'

/** Options of {@link openLog}. */
export interface OpenLogOptions {
  /** Undefined: the other destination. */
  readonly file: string | undefined
  readonly level: LogLevel
  readonly format: LogFormat
  readonly hasSourceLocation: boolean
}

/**
 * Opens the log that a configuration asks for.
 *
 * @param otherwise where lines go when no file is configured; standard output unless given
 * @throws the system's error when the file cannot be opened
 */
export function openLog(
  options: OpenLogOptions,
  clock: Clock,
  otherwise?: LogDestination,
): RootLogger {
  const { file, level, format, hasSourceLocation } = options
  const destination = file === undefined ? (otherwise ?? standardOutput()) : logFile(file)
  return createLogger({ level, format, hasSourceLocation, destination, clock })
}
