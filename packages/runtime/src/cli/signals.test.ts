import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { RootLogger } from '../log/log-control.ts'
import { silentLogger } from '../log/logger.ts'
import { onReconfigureSignal, untilSignal } from './signals.ts'

const names = ['SIGINT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2'] as const
const before = new Map(names.map((name) => [name, process.listeners(name)]))

let lines: string[]
let reopen: () => void
let log: RootLogger
beforeEach(() => {
  lines = []
  reopen = () => lines.push('reopened')
  log = {
    ...silentLogger,
    info: (message) => lines.push(message),
    error: (message, fields) => lines.push(`${message}: ${fields?.['error']}`),
    level: 'info',
    launchLevel: 'info',
    setLevel: () => {},
    reopen: () => reopen(),
  }
})
afterEach(() => {
  for (const name of names) {
    for (const listener of process.listeners(name)) {
      if (!before.get(name)?.includes(listener)) process.off(name, listener)
    }
  }
})

describe('a daemon', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)('stops on %s', (name) => {
    const signal = untilSignal(log)
    expect(signal.aborted).toBe(false)
    process.emit(name)
    expect(signal.aborted).toBe(true)
  })

  it('does not end while it waits for nothing but time', () => {
    const held = (): number =>
      process.getActiveResourcesInfo().filter((one) => one === 'MessagePort').length
    const before = held()
    untilSignal(log)
    expect(held()).toBe(before + 1)
  })

  it('opens its log anew on SIGUSR2, and goes on when that fails', () => {
    const signal = untilSignal(log)
    process.emit('SIGUSR2')
    reopen = () => {
      throw new Error('no such file or directory')
    }
    process.emit('SIGUSR2')
    expect(lines).toEqual([
      'reopened',
      'failed to rotate log after signal: no such file or directory',
    ])
    expect(signal.aborted).toBe(false)
  })

  it('says that it heard SIGUSR1', () => {
    untilSignal(log)
    process.emit('SIGUSR1')
    expect(lines).toEqual(['Reconfigure signal received'])
  })
  it('does what was registered for SIGUSR1, until that is disposed', () => {
    untilSignal(log)
    const registered = onReconfigureSignal(() => lines.push('reconfigured'))
    process.emit('SIGUSR1')
    registered[Symbol.dispose]()
    process.emit('SIGUSR1')
    expect(lines).toEqual([
      'Reconfigure signal received',
      'reconfigured',
      'Reconfigure signal received',
    ])
  })
})
