import { describe, expect, it } from 'vitest'
import { keyManagerContract } from '../key-manager.contract.ts'
import { MemoryKeyManager } from './memory-key-manager.ts'

keyManagerContract({ describe, it, expect }, 'memory', async () => new MemoryKeyManager())

describe('a key in memory', () => {
  it('signs synchronously', async () => {
    const keys = new MemoryKeyManager()
    expect((await keys.generateKey('quick', 'ec-p256')).signSync).toBeDefined()
  })
})
