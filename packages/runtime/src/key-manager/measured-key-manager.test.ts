import { describe, expect, it } from 'vitest'
import { FakeClock } from '../clock.test-kit.ts'
import { keyManagerContract } from './key-manager.contract.ts'
import { type KeyManagerCall, MeasuredKeyManager } from './measured-key-manager.ts'
import { MemoryKeyManager } from './memory/memory-key-manager.ts'

const clock = new FakeClock()
const measured = async (): Promise<MeasuredKeyManager> =>
  new MeasuredKeyManager({ keys: new MemoryKeyManager(), clock, observe: () => {} })

keyManagerContract({ describe, it, expect }, 'measured', measured, ['ec-p256'])

describe('a measured key manager', () => {
  it('tells of each call and of its failures', async () => {
    const told: [KeyManagerCall, boolean][] = []
    const keys = new MeasuredKeyManager({
      keys: new MemoryKeyManager(),
      clock,
      observe: (call, { error }) => told.push([call, error === undefined]),
    })
    const key = await keys.generateKey('a', 'ec-p256')
    await keys.getKey('b').catch(() => {})
    await keys.listKeys()
    key.signSync?.(Buffer.of(1), { hash: 'sha256' })
    await keys.generateKey('a', 'ec-p256')
    expect(() => key.signSync?.(Buffer.of(1), { hash: 'sha256' })).toThrow('has been replaced')
    await key.sign(Buffer.of(1), { hash: 'sha256' }).catch(() => {})
    expect(told).toEqual([
      ['generate_key', true],
      ['get_public_key', false],
      ['get_public_keys', true],
      ['sign_data', true],
      ['generate_key', true],
      ['sign_data', false],
      ['sign_data', false],
    ])
  })

  it('still hands the private key to a TLS stack', async () => {
    const key = await (await measured()).generateKey('a', 'ec-p256')
    expect(key.tlsKey?.().type).toBe('private')
  })
})
