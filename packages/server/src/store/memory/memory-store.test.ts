import { systemClock } from '@mini-spire/runtime/clock'
import { describe, expect, it } from 'vitest'
import { storeContract } from '../store.contract.ts'
import { MemoryStore } from './memory-store.ts'

storeContract({ describe, it, expect }, 'memory', {
  make: () => Promise.resolve(MemoryStore.create({ clock: systemClock })),
})
