import { describe, expect, it } from 'vitest'
import { keyManagerContract } from '../key-manager.contract.ts'
import { MemoryKeyManager } from './memory-key-manager.ts'

keyManagerContract({ describe, it, expect }, 'memory', async () => new MemoryKeyManager())
