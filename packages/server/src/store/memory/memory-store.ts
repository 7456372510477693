import { randomUUID } from 'node:crypto'
import type { Clock } from '@mini-spire/runtime/clock'
import { type Logger, silentLogger } from '@mini-spire/runtime/log/logger'
import { LogStore } from '../engine/log-store.ts'
import type { Store } from '../store.ts'
import { MemoryBackend } from './memory-backend.ts'

/** Options of {@link MemoryStore}. */
export interface MemoryStoreOptions {
  readonly clock: Clock
  /** @default drops every line */
  readonly log?: Logger | undefined
}

const issuanceRetentionMs = 7 * 24 * 3_600_000

/**
 * A store without a disk: for tests of what stands above it. Everything but durability is as in the level store.
 *
 * @example
 * const store = MemoryStore.create({ clock })
 * const registry = new Registry({ clock })
 * await store.open((changes) => registry.apply(changes))
 */
export const MemoryStore: { readonly create: (options: MemoryStoreOptions) => Store } = {
  create: ({ clock, log = silentLogger }) =>
    new LogStore({ backend: new MemoryBackend(randomUUID()), clock, log, issuanceRetentionMs }),
}
