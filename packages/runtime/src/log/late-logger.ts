import { LeveledLogger } from './create-logger.ts'
import type { LogFields, Logger, LogLevel } from './logger.ts'

/**
 * A logger whose fields are put together when its first line is written: most calls write none, and fields of a call cost more
 * than the rest of its bookkeeping.
 */
export class LateLogger extends LeveledLogger {
  readonly #base: Logger
  readonly #fields: () => LogFields
  #made: Logger | undefined

  /** @param fields asked once; what it returns stays */
  constructor(base: Logger, fields: () => LogFields) {
    super()
    this.#base = base
    this.#fields = fields
  }

  with(fields: LogFields): Logger {
    return this.#logger().with(fields)
  }

  isEnabled(level: LogLevel): boolean {
    return this.#base.isEnabled(level)
  }

  log(level: LogLevel, message: string, fields?: LogFields): void {
    if (this.#base.isEnabled(level)) this.#logger().log(level, message, fields)
  }

  #logger(): Logger {
    this.#made ??= this.#base.with(this.#fields())
    return this.#made
  }
}
