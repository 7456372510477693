import { createPublicKey } from 'node:crypto'
import type { Clock } from '@mini-spire/runtime/clock'
import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { silentLogger } from '@mini-spire/runtime/log/logger'
import { TestCa } from '@mini-spire/sdk/testing'
import { describe, expect, it, vi } from 'vitest'
import { RecordingLog } from '../ca/ca.test-kit.ts'
import { type ServerSvidOptions, ServerSvidRotator } from './server-svid.ts'

const hourMs = 3_600_000

function scene(change: Partial<ServerSvidOptions> = {}) {
  const time = { ms: 1_700_000_000_000 }
  const clock: Clock = {
    now: () => new Date(time.ms),
    nowMs: () => time.ms,
    setTimer: () => ({ cancel: () => {} }),
  }
  const keys: string[] = []
  const rotations = { count: 0 }
  const state = { isBroken: false }
  const rotator = new ServerSvidRotator({
    signer: {
      issueServerSvid: ({ publicKey }) => {
        if (state.isBroken) return Promise.reject(new Error('no CA'))
        keys.push(Buffer.from(publicKey).toString('hex'))
        const expiresAtSeconds = (time.ms + hourMs) / 1000
        return Promise.resolve({ chain: [Uint8Array.of(keys.length)], expiresAtSeconds })
      },
    },
    keyType: 'ec-p256',
    clock,
    log: silentLogger,
    onRotated: () => {
      rotations.count++
    },
    ...change,
  })
  return { rotator, time, keys, rotations, state }
}

describe('ServerSvidRotator', () => {
  it('does not start without a signature', async () => {
    const { rotator, state } = scene()
    state.isBroken = true
    await expect(rotator.start()).rejects.toThrow('no CA')
    expect(() => rotator.current()).toThrow('before it was signed')
  })

  it('keeps the SVID until half of its life, backdating included, is over', async () => {
    const { rotator, time, keys } = scene()
    await rotator.start()
    time.ms += hourMs / 2 - 5000
    await rotator.tick()
    expect(keys).toHaveLength(1)
    time.ms += 1
    await rotator.tick()
    expect(keys).toHaveLength(2)
  })

  it('replaces in time an SVID whose life is shorter than the time between two ticks', async () => {
    const clock = new FakeClock()
    const ends: number[] = []
    const signer = {
      issueServerSvid: () => {
        ends.push(clock.nowMs() + 4_000)
        const expiresAtSeconds = (clock.nowMs() + 4_000) / 1000
        return Promise.resolve({ chain: [Uint8Array.of(1)], expiresAtSeconds })
      },
    }
    const stop = new AbortController()
    const { rotator } = scene({ clock, signer })
    await rotator.start()
    const ended = rotator.run(stop.signal)
    for (let count = 2; count < 6; count++) {
      clock.advance(1_000)
      await vi.waitFor(() => expect(ends).toHaveLength(count))
      expect(ends.at(-2)).toBeGreaterThan(clock.nowMs())
    }
    stop.abort()
    await ended
  })

  it('makes a new key each time and tells whoever serves it', async () => {
    const { rotator, time, keys, rotations } = scene()
    await rotator.start()
    expect(rotations.count).toBe(0)
    time.ms += hourMs
    await rotator.tick()
    expect(new Set(keys).size).toBe(2)
    expect(rotations.count).toBe(1)
    const shown = createPublicKey(rotator.current().key).export({ type: 'spki', format: 'der' })
    expect(shown.toString('hex')).toBe(keys[1])
  })

  describe('whose root is suspect', () => {
    const line = 'Server SVID signed using a tainted authority, forcing rotation of the Server SVID'

    async function running(stop: AbortController) {
      const clock = new FakeClock()
      const now = (): Date => clock.now()
      const cas = [TestCa.create('example.org', { now }), TestCa.create('example.org', { now })]
      const [first, second] = cas.map(({ certificate }) => certificate.raw)
      const state = { signed: 0, isBroken: false }
      const log = new RecordingLog()
      const { rotator } = scene({
        clock,
        log,
        signer: {
          issueServerSvid: async () => {
            if (state.isBroken) throw new Error('no CA')
            const ca = cas[Math.min(state.signed++, 1)] as TestCa
            const chain = ca.issueX509Svid('/spire/server').chain.map(({ raw }) => raw)
            return { chain, expiresAtSeconds: (clock.nowMs() + hourMs) / 1000 }
          },
        },
      })
      await rotator.start()
      const ended = rotator.run(stop.signal)
      return {
        rotator,
        clock,
        log,
        state,
        ended,
        first: first as Uint8Array,
        second: second as Uint8Array,
      }
    }

    it('replaces a tainted SVID at the next tick, tries until it can, and says so once', async () => {
      const stop = new AbortController()
      const { rotator, clock, log, state, ended, first, second } = await running(stop)
      const before = rotator.current()
      rotator.followRoots({ tainted: [second], removed: [] })
      expect(log.messages).not.toContain(line)
      state.isBroken = true
      rotator.followRoots({ tainted: [first], removed: [] })
      clock.advance(5000)
      await expect.poll(() => log.messages).toContain('Could not rotate server SVID')
      state.isBroken = false
      expect(rotator.current()).toBe(before)
      clock.advance(5000)
      await expect.poll(() => rotator.current()).not.toBe(before)
      rotator.followRoots({ tainted: [first], removed: [] })
      stop.abort()
      await ended
      expect(state.signed).toBe(2)
      expect(log.messages.filter((message) => message === line)).toHaveLength(1)
    })

    it('replaces an SVID at once whose root has gone', async () => {
      const stop = new AbortController()
      const { rotator, state, ended, first, second } = await running(stop)
      const before = rotator.current()
      rotator.followRoots({ tainted: [], removed: [second] })
      expect(state.signed).toBe(1)
      rotator.followRoots({ tainted: [], removed: [first] })
      await expect.poll(() => rotator.current()).not.toBe(before)
      stop.abort()
      await ended
      expect(state.signed).toBe(2)
    })
  })

  it('keeps the old SVID when signing fails, and tries again', async () => {
    const { rotator, time, state, rotations } = scene()
    await rotator.start()
    const before = rotator.current()
    time.ms += hourMs
    state.isBroken = true
    await rotator.tick()
    expect(rotator.current()).toBe(before)
    expect(rotations.count).toBe(0)
    state.isBroken = false
    await rotator.tick()
    expect(rotator.current()).not.toBe(before)
  })

  it.each(['ec-p384', 'rsa-2048'] as const)('makes keys of type %s', async (keyType) => {
    const { rotator } = scene({ keyType })
    await rotator.start()
    expect(rotator.current().key.type).toBe('private')
  })
})
