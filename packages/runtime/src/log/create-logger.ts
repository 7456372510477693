import type { Clock } from '../clock.ts'
import type { LogDestination } from './destination.ts'
import { formatColored, formatLine, type LogFormat } from './format.ts'
import type { RootLogger } from './log-control.ts'
import { logLevels } from './log-level.ts'
import type { LogFields, Logger, LogLevel } from './logger.ts'

/** Options of {@link createLogger}. */
export interface CreateLoggerOptions {
  readonly format: LogFormat
  /** The level at start, to which a reset returns. */
  readonly level: LogLevel
  readonly destination: LogDestination
  readonly clock: Clock
  /** Adds the fields `file` and `func` to each line. @default false */
  readonly hasSourceLocation?: boolean
}

/**
 * Makes the logger of a daemon. Every logger derived from it follows its level.
 *
 * @example
 * const log = createLogger({ format: 'plain', level: 'info', destination: standardOutput(), clock })
 * log.with({ subsystem_name: 'ca' }).warn('Slot is empty', { slot: 'B' })
 */
export function createLogger(options: CreateLoggerOptions): RootLogger {
  return new Root(options)
}

/** The levels' methods, in terms of {@link Logger.log}. */
export abstract class LeveledLogger implements Logger {
  abstract with(fields: LogFields): Logger
  abstract isEnabled(level: LogLevel): boolean
  abstract log(level: LogLevel, message: string, fields?: LogFields): void

  error(message: string, fields?: LogFields): void {
    this.log('error', message, fields)
  }

  warn(message: string, fields?: LogFields): void {
    this.log('warning', message, fields)
  }

  info(message: string, fields?: LogFields): void {
    this.log('info', message, fields)
  }

  debug(message: string, fields?: LogFields): void {
    this.log('debug', message, fields)
  }

  trace(message: string, fields?: LogFields): void {
    this.log('trace', message, fields)
  }
}

class Root extends LeveledLogger implements RootLogger {
  readonly launchLevel: LogLevel
  readonly #options: CreateLoggerOptions
  readonly #startMs: number
  #level: LogLevel
  #rank: number

  constructor(options: CreateLoggerOptions) {
    super()
    this.#options = options
    this.#startMs = options.clock.nowMs()
    this.launchLevel = options.level
    this.#level = options.level
    this.#rank = logLevels.indexOf(options.level)
  }

  get level(): LogLevel {
    return this.#level
  }

  setLevel(level: LogLevel): void {
    this.#level = level
    this.#rank = logLevels.indexOf(level)
  }

  reopen(): void {
    this.#options.destination.reopen?.()
  }

  with(fields: LogFields): Logger {
    return new Derived(this, fields)
  }

  isEnabled(level: LogLevel): boolean {
    return logLevels.indexOf(level) <= this.#rank
  }

  log(level: LogLevel, message: string, fields: LogFields = {}): void {
    if (!this.isEnabled(level)) return
    const { destination, format, clock, hasSourceLocation } = this.#options
    const all = hasSourceLocation ? { ...fields, ...callerLocation() } : fields
    const line = { time: clock.now(), level, message, fields: all }
    const isColored = destination.isTerminal && format !== 'json'
    destination.write(
      isColored ? formatColored(format, line, this.#startMs) : formatLine(format, line),
    )
  }
}

class Derived extends LeveledLogger {
  readonly #root: Root
  readonly #fields: LogFields

  constructor(root: Root, fields: LogFields) {
    super()
    this.#root = root
    this.#fields = fields
  }

  with(fields: LogFields): Logger {
    return new Derived(this.#root, { ...this.#fields, ...fields })
  }

  isEnabled(level: LogLevel): boolean {
    return this.#root.isEnabled(level)
  }

  log(level: LogLevel, message: string, fields?: LogFields): void {
    if (this.#root.isEnabled(level)) {
      this.#root.log(level, message, fields ? { ...this.#fields, ...fields } : this.#fields)
    }
  }
}

/** The first frame of the stack that is not a logger's method. */
function callerLocation(): LogFields {
  const frames = (new Error('stack').stack ?? '').split('\n').slice(1)
  const frame = frames.find(
    (text) => !/ at (callerLocation|(Root|Derived|LateLogger|LeveledLogger|_\w+)\.\w+) /.test(text),
  )
  const parts = /at (?:(.+?) \()?(?:file:\/\/)?(.+?):(\d+):\d+\)?$/.exec(frame ?? '')
  if (!parts) return {}
  return { file: `${parts[2]}:${parts[3]}`, func: parts[1] ?? 'anonymous' }
}
