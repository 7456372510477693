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

  it('replaces an SVID at once when its root becomes tainted, and only then', async () => {
    const clock = new FakeClock()
    const now = (): Date => clock.now()
    const cas = [TestCa.create('example.org', { now }), TestCa.create('example.org', { now })]
    const roots = cas.map(({ certificate }) => certificate.raw)
    let signed = 0
    let isBroken = false
    const log = new RecordingLog()
    const { rotator } = scene({
      clock,
      log,
      signer: {
        issueServerSvid: async () => {
          if (isBroken) throw new Error('no CA')
          const { chain } = (cas[Math.min(signed++, 1)] as TestCa).issueX509Svid('/spire/server')
          const expiresAtSeconds = (clock.nowMs() + hourMs) / 1000
          return { chain: chain.map(({ raw }) => raw), expiresAtSeconds }
        },
      },
    })
    await rotator.start()
    const stop = new AbortController()
    const running = rotator.run(stop.signal)
    const first = rotator.current()
    rotator.setTaintedRoots([roots[1] as Uint8Array])
    clock.advance(5000)
    expect(rotator.current()).toBe(first)
    isBroken = true
    rotator.setTaintedRoots(roots.slice(0, 1))
    await vi.waitFor(() => expect(log.messages).toContain('Could not rotate server SVID'))
    isBroken = false
    clock.advance(5000)
    await vi.waitFor(() => expect(rotator.current()).not.toBe(first))
    rotator.setTaintedRoots(roots.slice(0, 1))
    stop.abort()
    await running
    expect(signed).toBe(2)
    const line = 'Server SVID signed using a tainted authority, forcing rotation of the Server SVID'
    expect(log.messages.filter((message) => message === line)).toHaveLength(1)
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
