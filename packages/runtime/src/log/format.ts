import { stringifyGoJson } from '../go-json.ts'
import { quoteGo } from '../go-quote.ts'
import type { LogFields, LogLevel } from './logger.ts'

/** One line before it is written. */
export interface LogLine {
  readonly time: Date
  readonly level: LogLevel
  readonly message: string
  readonly fields: LogFields
}

/** How lines look. `plain` is what SPIRE prints when no format is configured. */
export type LogFormat = 'plain' | 'text' | 'json'

const colors: Record<LogLevel, number> = {
  panic: 31,
  fatal: 31,
  error: 31,
  warning: 33,
  info: 36,
  debug: 37,
  trace: 37,
}

/** Prints a line, newline included: `time="…" level=info msg="…" key=value`, or one JSON object. */
export function formatLine(format: LogFormat, line: LogLine): string {
  const fields = withoutClashes(line.fields)
  if (format === 'json') return formatJson(line, fields)
  const pairs = Object.keys(fields)
    .sort(byBytes)
    .map((key) => ` ${key}=${formatValue(fields[key])}`)
  const time = timestamp(line.time, format === 'text')
  return `time="${time}" level=${line.level} msg=${formatValue(line.message)}${pairs.join('')}\n`
}

/** Prints a line for people at a terminal, with the seconds since the start or the whole time. */
export function formatColored(format: LogFormat, line: LogLine, startMs: number): string {
  const fields = withoutClashes(line.fields)
  const color = colors[line.level]
  const level = line.level.slice(0, 4).toUpperCase()
  const seconds = Math.trunc((line.time.getTime() - startMs) / 1000)
  const when =
    format === 'text' ? timestamp(line.time, true) : String(Math.max(0, seconds)).padStart(4, '0')
  const pairs = Object.keys(fields)
    .sort(byBytes)
    .map((key) => ` \u001b[${color}m${key}\u001b[0m=${formatValue(fields[key])}`)
  const head = `\u001b[${color}m${level}\u001b[0m[${when}] ${line.message.padEnd(44)} `
  return `${head}${pairs.join('')}\n`
}

function formatJson(line: LogLine, fields: LogFields): string {
  const all: Record<string, unknown> = {
    ...Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, jsonValue(value)])),
    level: line.level,
    msg: line.message,
    time: timestamp(line.time, true),
  }
  const sorted = Object.keys(all)
    .sort(byBytes)
    .map((key) => `${stringifyGoJson(key)}:${stringifyGoJson(all[key])}`)
  return `{${sorted.join(',')}}\n`
}

/** A field named like one of the line's own is kept under another name. */
function withoutClashes(fields: LogFields): LogFields {
  if (!('time' in fields || 'msg' in fields || 'level' in fields)) return fields
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [
      key === 'time' || key === 'msg' || key === 'level' ? `fields.${key}` : key,
      value,
    ]),
  )
}

function jsonValue(value: unknown): unknown {
  if (value instanceof Error) return value.message
  if (typeof value === 'bigint') return value.toString()
  if (value instanceof Date) return value.toISOString().replace(/\.?0*Z$/, 'Z')
  return value
}

function formatValue(value: unknown): string {
  const text = printed(value)
  return /^[A-Za-z0-9\-._/@^+]*$/.test(text) ? text : quoteGo(text)
}

/** As Go prints values: lists in brackets with spaces between. */
function printed(value: unknown): string {
  if (typeof value === 'string') return value
  if (value === undefined || value === null) return '<nil>'
  if (value instanceof Error) return value.message
  if (Array.isArray(value)) return `[${value.map(printed).join(' ')}]`
  if (value instanceof Date) return printedInstant(value)
  if (typeof value === 'object' && Object.getPrototypeOf(value) === Object.prototype) {
    return JSON.stringify(value)
  }
  return String(value)
}

/** As Go prints an instant in UTC: `2026-11-25 17:48:33.25 +0000 UTC`. */
function printedInstant(instant: Date): string {
  const [date, time = ''] = instant.toISOString().split('T')
  return `${date} ${time.replace(/\.?0*Z$/, '')} +0000 UTC`
}

/** RFC 3339 in the local zone, to the second or with its fraction. */
function timestamp(time: Date, hasFraction: boolean): string {
  const offset = -time.getTimezoneOffset()
  const local = new Date(time.getTime() + offset * 60_000).toISOString()
  const fraction = hasFraction ? local.slice(19, 23).replace(/\.?0+$/, '') : ''
  if (offset === 0) return `${local.slice(0, 19)}${fraction}Z`
  const sign = offset < 0 ? '-' : '+'
  const hours = String(Math.trunc(Math.abs(offset) / 60)).padStart(2, '0')
  const minutes = String(Math.abs(offset) % 60).padStart(2, '0')
  return `${local.slice(0, 19)}${fraction}${sign}${hours}:${minutes}`
}

function byBytes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
