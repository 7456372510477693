import { quoteGo } from '../go-quote.ts'
import { findLogLevel, logLevels } from '../log/log-level.ts'
import { LogLevel } from '../proto/spire/api/types/logger.ts'
import { CommandError } from './usage-error.ts'

/** The flag of `logger set`. */
export const levelFlag = {
  type: 'string',
  usage: 'The new log level, one of (panic, fatal, error, warn, info, debug, trace)',
} as const

/** The wire's number of the level asked for. @throws {CommandError} */
export function parseWireLevel(text: string): LogLevel {
  if (text === '') throw new CommandError('a value (-level) must be set')
  const level = findLogLevel(text)
  const numbers: readonly LogLevel[] = [
    LogLevel.PANIC,
    LogLevel.FATAL,
    LogLevel.ERROR,
    LogLevel.WARN,
    LogLevel.INFO,
    LogLevel.DEBUG,
    LogLevel.TRACE,
  ]
  const number = level === undefined ? undefined : numbers[logLevels.indexOf(level)]
  if (number === undefined) {
    throw new CommandError(`the value ${quoteGo(text)} is not a valid setting`)
  }
  return number
}

/** The two levels of a daemon's log, as people read them. */
export function formatLogger(logger: {
  readonly currentLevel: LogLevel
  readonly launchLevel: LogLevel
}): string {
  const name = (level: LogLevel): string => logLevels[level - 1] ?? 'unspecified'
  return `Logger Level : ${name(logger.currentLevel)}\nLaunch Level : ${name(logger.launchLevel)}\n\n`
}
