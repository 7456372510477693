import { request } from 'node:http'
import { systemClock } from '@mini-spire/runtime/clock'
import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { HttpListener } from '@mini-spire/runtime/https/http-listener'
import { type Logger, silentLogger } from '@mini-spire/runtime/log/logger'
import { describe, expect, it } from 'vitest'
import { KeyPoller, type KeySource } from './key-poller.ts'
import { parseListenAddress } from './listen-address.ts'
import { providerHealth } from './provider-health.ts'

const minuteMs = 60_000

function poller(source: KeySource, clock: FakeClock, log: Logger = silentLogger): KeyPoller {
  return new KeyPoller({ source, intervalMs: 10_000, clock, log })
}

/** Lets what is ready run. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate)
}

describe('a poller of keys', () => {
  it('asks at its interval, and keeps what it was told when it is told nothing', async () => {
    const clock = new FakeClock()
    const answers = [undefined, [], undefined]
    let asked = 0
    const made = poller({ fetch: async () => answers[asked++] }, clock)
    const stopping = new AbortController()
    const running = made.run(stopping.signal)
    await settle()
    expect([made.keys, made.succeededAtMs]).toEqual([undefined, undefined])
    clock.advance(10_000)
    await settle()
    const succeededAtMs = clock.nowMs()
    clock.advance(10_000)
    await settle()
    expect([asked, made.keys, made.succeededAtMs]).toEqual([3, [], succeededAtMs])
    stopping.abort()
    await running
  })

  it('gives up a source that never answers, and asks again', async () => {
    const clock = new FakeClock()
    let asked = 0
    const silent: KeySource = {
      fetch: (signal) => {
        asked++
        return new Promise((resolve) => signal.addEventListener('abort', () => resolve(undefined)))
      },
    }
    const stopping = new AbortController()
    const running = poller(silent, clock).run(stopping.signal)
    await settle()
    clock.advance(30_000)
    await settle()
    clock.advance(10_000)
    await settle()
    expect(asked).toBe(2)
    stopping.abort()
    await running
  })
})

describe('health of the provider', () => {
  async function states(intervalMs: number, steps: readonly (readonly [number, boolean])[]) {
    const clock = new FakeClock()
    let succeededAtMs: number | undefined
    const answer = providerHealth({
      config: { bindPort: 0, livePath: '/live', readyPath: '/ready' },
      poller: {
        get succeededAtMs() {
          return succeededAtMs
        },
      },
      pollIntervalMs: intervalMs,
      clock,
    })
    await using listener = new HttpListener({
      address: { host: '127.0.0.1', port: 0 },
      answer,
      clock: systemClock,
      log: silentLogger,
    })
    const { port } = await listener.listen()
    const status = (path: string): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        const sent = request({ host: '127.0.0.1', port, path, agent: false }, (response) => {
          response.resume()
          resolve(response.statusCode)
        })
        sent.once('error', reject)
        sent.end()
      })
    const seen: string[] = []
    for (const [advanceMs, isPolled] of steps) {
      clock.advance(advanceMs)
      if (isPolled) succeededAtMs = clock.nowMs()
      seen.push(`${await status('/ready')} ${await status('/live')}`)
    }
    return seen
  }

  it('is ready while keys are fresh, and live for three minutes before there are any', async () => {
    expect(
      await states(10_000, [
        [0, false],
        [3 * minuteMs - 1, false],
        [1, false],
        [0, true],
        [3 * minuteMs - 1, false],
        [1, false],
      ]),
    ).toEqual(['500 200', '500 200', '500 500', '200 200', '200 200', '500 500'])
  })

  it('lets five polls of a slow poller fail', async () => {
    expect(
      await states(2 * minuteMs, [
        [0, true],
        [10 * minuteMs - 1, false],
        [1, false],
      ]),
    ).toEqual(['200 200', '200 200', '500 500'])
  })
})

describe('an address to listen on', () => {
  it.each([
    [':443', { host: undefined, port: 443, text: ':443' }],
    ['127.0.0.1:8080', { host: '127.0.0.1', port: 8080, text: '127.0.0.1:8080' }],
    ['[::1]:https', { host: '::1', port: 443, text: '[::1]:443' }],
    ['localhost:', { host: '127.0.0.1', port: 0, text: '127.0.0.1:0' }],
  ])('%s is read', async (text, address) => {
    expect(await parseListenAddress(text)).toEqual(address)
  })

  it.each([
    ['127.0.0.1', 'address 127.0.0.1: missing port in address'],
    [':what', 'lookup tcp/what: unknown port'],
    [':99999', 'address 99999: invalid port'],
    ['nowhere.invalid.:1', 'lookup nowhere.invalid.: no such host'],
  ])('%s is refused', async (text, message) => {
    await expect(parseListenAddress(text)).rejects.toThrow(message)
  })
})
