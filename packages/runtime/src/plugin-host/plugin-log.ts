import type { Readable } from 'node:stream'
import { type Clock, sleep } from '../clock.ts'
import type { LogFields, Logger, LogLevel } from '../log/logger.ts'

/** The longest line that is read as one; more of it is logged in pieces. */
const maxLineBytes = 64 * 1024
/** Lines of one plugin that are logged in a second; the others are counted. */
const maxLinesPerSecond = 1_000
const secondMs = 1_000
/** Between two pieces of output that nobody reads: a plugin that floods waits, not this process. */
const discardPauseMs = 10

/** Where a plugin's lines go. */
export interface PluginLogOptions {
  readonly log: Logger
  /** Always on the line, whatever the plugin's own fields are called: plugin_name and the like. */
  readonly fields: LogFields
  readonly clock: Clock
}

const levels: Readonly<Record<string, LogLevel>> = {
  debug: 'debug',
  info: 'info',
  warn: 'warning',
  error: 'error',
}
const prefixes: readonly (readonly [string, LogLevel | undefined])[] = [
  ['[TRACE]', undefined],
  ['[DEBUG]', 'debug'],
  ['[INFO]', 'info'],
  ['[WARN]', 'warning'],
  ['[ERROR]', 'error'],
]

/**
 * Logs what a plugin writes to its standard error, until the stream ends.
 *
 * hclog's JSON lines keep their level, message and fields; other lines are logged by their prefix, at debug without one,
 * and from a Go panic on at error. Trace lines are dropped, as SPIRE drops them.
 */
export function logPluginOutput(stderr: Readable, options: PluginLogOptions): void {
  const lines = new PluginLines(options)
  let rest: Buffer = Buffer.alloc(0)
  stderr.on('data', (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    for (;;) {
      const end = rest.indexOf(0x0a)
      if (end >= 0 && end <= maxLineBytes) {
        lines.log(rest.subarray(0, end).toString())
        rest = rest.subarray(end + 1)
      } else if (rest.length > maxLineBytes) {
        lines.log(rest.subarray(0, maxLineBytes).toString())
        rest = rest.subarray(maxLineBytes)
      } else return
    }
  })
  stderr.once('end', () => {
    if (rest.length > 0) lines.log(rest.toString())
    lines.report()
  })
}

/** Reads what nobody wants to see, no faster than a flood deserves. */
export async function discardOutput(output: Readable, clock: Clock): Promise<void> {
  try {
    for await (const _ of output) await sleep(clock, discardPauseMs)
  } catch {
    // The stream breaks when the plugin ends.
  }
}

class PluginLines {
  readonly #options: PluginLogOptions
  #isPanicking = false
  #secondStartedMs = 0
  #count = 0

  constructor(options: PluginLogOptions) {
    this.#options = options
  }

  log(line: string): void {
    const nowMs = this.#options.clock.nowMs()
    if (nowMs - this.#secondStartedMs >= secondMs) {
      this.report()
      this.#secondStartedMs = nowMs
    }
    if (++this.#count > maxLinesPerSecond) return
    const { level, message, fields } = this.#parse(line)
    if (level) this.#options.log.log(level, message, { ...fields, ...this.#options.fields })
  }

  /** Says how many lines were left out since the last report. */
  report(): void {
    const dropped = this.#count - maxLinesPerSecond
    this.#count = 0
    if (dropped <= 0) return
    const { log, fields } = this.#options
    log.warn('Plugin logs too much; lines were dropped', { ...fields, count: dropped })
  }

  #parse(line: string): {
    readonly level: LogLevel | undefined
    readonly message: string
    readonly fields: LogFields
  } {
    const entry = parseEntry(line)
    if (entry) {
      const { '@level': level, '@message': message, '@timestamp': time, ...fields } = entry
      if (level === 'trace') return { level: undefined, message: '', fields }
      const known = levels[String(level)]
      if (known) {
        return {
          level: known,
          message: String(message ?? ''),
          fields: { ...printable(fields), timestamp: String(time ?? '') },
        }
      }
      return { level: 'debug', message: line, fields: {} }
    }
    const found = prefixes.find(([prefix]) => line.startsWith(prefix))
    if (found) return { level: found[1], message: line, fields: {} }
    this.#isPanicking ||= line.startsWith('panic: ') || line.startsWith('fatal error: ')
    return { level: this.#isPanicking ? 'error' : 'debug', message: line, fields: {} }
  }
}

function parseEntry(line: string): Readonly<Record<string, unknown>> | undefined {
  if (!line.startsWith('{')) return undefined
  try {
    return JSON.parse(line) as Readonly<Record<string, unknown>>
  } catch {
    return undefined
  }
}

function printable(fields: Readonly<Record<string, unknown>>): LogFields {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      typeof value === 'object' && value !== null ? JSON.stringify(value) : value,
    ]),
  )
}
