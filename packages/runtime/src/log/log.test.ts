import { mkdtempSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import type { Clock } from '../clock.ts'
import { createLogger } from './create-logger.ts'
import { logFile } from './destination.ts'
import type { LogFormat } from './format.ts'
import { LateLogger } from './late-logger.ts'
import { findLogLevel } from './log-level.ts'
import type { LogLevel } from './logger.ts'

const instant = new Date('2026-11-23T02:06:59.260Z')
const clock: Clock = {
  now: () => instant,
  nowMs: () => instant.getTime(),
  setTimer: () => ({ cancel: () => {} }),
}

function lines(format: LogFormat, options: { level?: LogLevel; isTerminal?: boolean } = {}) {
  const written: string[] = []
  const log = createLogger({
    format,
    level: options.level ?? 'info',
    clock,
    destination: {
      isTerminal: options.isTerminal ?? false,
      write: (text) => {
        written.push(text)
      },
    },
  })
  return { log, written }
}

/** The instant in the zone of the machine that runs the test. */
const zone = -instant.getTimezoneOffset() === 0

describe('a log line', () => {
  it.runIf(zone)('is that of SPIRE in each of its styles', () => {
    const fields = { b: 'x y', a: 1, list: ['p', 'q'], empty: '', error: new Error('no "way"') }
    const plain = lines('plain')
    plain.log.warn('Configured', fields)
    expect(plain.written).toEqual([
      'time="2026-11-23T02:06:59Z" level=warning msg=Configured a=1 b="x y" empty= error="no \\"way\\"" list="[p q]"\n',
    ])
    const text = lines('text')
    text.log.info('Two words')
    expect(text.written).toEqual(['time="2026-11-23T02:06:59.26Z" level=info msg="Two words"\n'])
    const json = lines('json')
    json.log.error('a <b>', { z: 1, msg: 'mine', error: new Error('bad') })
    expect(json.written).toEqual([
      '{"error":"bad","fields.msg":"mine","level":"error","msg":"a \\u003cb\\u003e","time":"2026-11-23T02:06:59.26Z","z":1}\n',
    ])
  })

  it('prints instants as Go does, in UTC', () => {
    const instants = {
      a: new Date('2026-11-25T17:48:30Z'),
      b: new Date('2026-11-25T17:48:30.250Z'),
    }
    const plain = lines('plain')
    plain.log.info('x', instants)
    expect(plain.written[0]).toContain(
      'a="2026-11-25 17:48:30 +0000 UTC" b="2026-11-25 17:48:30.25 +0000 UTC"',
    )
    const json = lines('json')
    json.log.info('x', instants)
    expect(JSON.parse(json.written[0] ?? '')).toMatchObject({
      a: '2026-11-25T17:48:30Z',
      b: '2026-11-25T17:48:30.25Z',
    })
  })

  it('cannot be forged by a value with a line break', () => {
    const { log, written } = lines('plain')
    log.info('a\nlevel=error', { key: 'b\nlevel=fatal' })
    expect(written.join('').split('\n')).toHaveLength(2)
  })

  it('is coloured at a terminal, with the seconds since the start', () => {
    const { log, written } = lines('plain', { isTerminal: true })
    log.warn('Slot is empty', { slot: 'B' })
    expect(written[0]).toBe(
      `\u001b[33mWARN\u001b[0m[0000] ${'Slot is empty'.padEnd(44)}  \u001b[33mslot\u001b[0m=B\n`,
    )
  })
})

describe('the level', () => {
  it('lets through what is as urgent or more, for derived loggers too, and can change', () => {
    const { log, written } = lines('plain', { level: 'warning' })
    const derived = log.with({ a: 1 }).with({ b: 2 })
    derived.info('dropped')
    expect(written).toEqual([])
    log.setLevel('debug')
    derived.debug('kept')
    expect(written[0]).toMatch(/msg=kept a=1 b=2\n$/)
    expect([log.level, log.launchLevel]).toEqual(['debug', 'warning'])
  })

  it('is known by its names in any case', () => {
    expect(['WARN', 'Warning', 'TRACE', 'panic'].map(findLogLevel)).toEqual([
      'warning',
      'warning',
      'trace',
      'panic',
    ])
    expect(findLogLevel('nope')).toBeUndefined()
  })
})

describe('a late logger', () => {
  it('asks for its fields when its first line is written, and once', () => {
    const { log, written } = lines('plain')
    let asked = 0
    const late = new LateLogger(log.with({ a: 1 }), () => ({ b: ++asked }))
    late.debug('below the level')
    expect(late.isEnabled('debug')).toBe(false)
    expect(asked).toBe(0)
    late.info('first', { c: 3 })
    late.with({ d: 4 }).warn('second')
    expect(written.map((line) => line.trimEnd().split(' msg=')[1])).toEqual([
      'first a=1 b=1 c=3',
      'second a=1 b=1 d=4',
    ])
  })

  it('follows the level of what it was made from', () => {
    const { log, written } = lines('plain')
    const late = new LateLogger(log, () => ({}))
    log.setLevel('debug')
    late.debug('seen')
    expect(written).toHaveLength(1)
  })
})

describe('a log file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mini-spire-log-'))
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  it('is created for its owner and group, appended to, and opened anew when it was moved', () => {
    const path = join(folder, 'a.log')
    const destination = logFile(path)
    destination.write('one\n')
    expect(statSync(path).mode & 0o137).toBe(0)
    renameSync(path, `${path}.1`)
    destination.write('two\n')
    destination.reopen?.()
    destination.write('three\n')
    expect(readFileSync(`${path}.1`, 'utf8')).toBe('one\ntwo\n')
    expect(readFileSync(path, 'utf8')).toBe('three\n')
  })
})
