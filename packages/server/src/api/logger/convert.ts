import type { LogLevelControl } from '@mini-spire/runtime/log/log-control'
import type { LogLevel } from '@mini-spire/runtime/log/logger'
import {
  type Logger as LoggerMessage,
  LogLevel as LogLevelNumber,
} from '@mini-spire/runtime/proto/spire/api/types/logger'

const numbers: Readonly<Record<LogLevel, LogLevelNumber>> = {
  panic: LogLevelNumber.PANIC,
  fatal: LogLevelNumber.FATAL,
  error: LogLevelNumber.ERROR,
  warning: LogLevelNumber.WARN,
  info: LogLevelNumber.INFO,
  debug: LogLevelNumber.DEBUG,
  trace: LogLevelNumber.TRACE,
}

const levels: ReadonlyMap<number, LogLevel> = new Map(
  (Object.entries(numbers) as [LogLevel, LogLevelNumber][]).map(([level, number]) => [
    number,
    level,
  ]),
)

/** Reads a level; undefined for a number that is none. */
export function logLevelFromProto(number: number): LogLevel | undefined {
  return levels.get(number)
}

/** A level's name, as audit lines print it; its number when it has no name. */
export function logLevelName(number: number): string {
  const names = Object.entries(LogLevelNumber)
  return names.find(([, known]) => known === number && known >= 0)?.[0] ?? String(number)
}

/** Writes the levels of a log: the one now, and the one it was started with. */
export function loggerToProto({ level, launchLevel }: LogLevelControl): LoggerMessage {
  return { currentLevel: numbers[level], launchLevel: numbers[launchLevel] }
}
