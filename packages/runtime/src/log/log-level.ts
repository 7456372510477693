import type { LogLevel } from './logger.ts'

/** Levels from the most urgent to the most talkative; an enabled level enables all before it. */
export const logLevels: readonly LogLevel[] = [
  'panic',
  'fatal',
  'error',
  'warning',
  'info',
  'debug',
  'trace',
]

/** A level by its name in any case, `warn` included; undefined when there is none of that name. */
export function findLogLevel(name: string): LogLevel | undefined {
  const lower = name.toLowerCase()
  return lower === 'warn' ? 'warning' : logLevels.find((level) => level === lower)
}
