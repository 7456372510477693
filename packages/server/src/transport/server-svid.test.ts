import { createPublicKey } from 'node:crypto'
import type { Clock } from '@mini-spire/runtime/clock'
import { silentLogger } from '@mini-spire/runtime/log/logger'
import { describe, expect, it } from 'vitest'
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

  it('replaces a tainted SVID at the next tick, once', async () => {
    const { rotator, keys } = scene()
    await rotator.start()
    rotator.markTainted()
    await rotator.tick()
    await rotator.tick()
    expect(keys).toHaveLength(2)
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
