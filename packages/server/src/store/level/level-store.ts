import type { Clock } from '@mini-spire/runtime/clock'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { LogStore } from '../engine/log-store.ts'
import type { Store } from '../store.ts'
import { LevelBackend } from './level-backend.ts'

/** Options of {@link LevelStore}. */
export interface LevelStoreOptions {
  /** A directory for the store alone; made if missing, mode 0700. */
  readonly directory: string
  readonly clock: Clock
  readonly log: Logger
  /**
   * How long issuance records are kept.
   *
   * @default 7 days
   */
  readonly issuanceRetentionMs?: number | undefined
}

const defaultIssuanceRetentionMs = 7 * 24 * 3_600_000

/**
 * The embedded store: a directory that one process at a time may use. `docs/store-format.md` says what is in it.
 *
 * Opening reads and proves everything (see {@link Store.open}); it throws `ERR_STORE_LOCKED` while another process has the
 * directory, `ERR_STORE_CORRUPT` naming what is damaged, `ERR_STORE_VERSION` for data of a newer version.
 */
export const LevelStore: { readonly create: (options: LevelStoreOptions) => Store } = {
  create: ({ directory, clock, log, issuanceRetentionMs = defaultIssuanceRetentionMs }) =>
    new LogStore({ backend: new LevelBackend(directory), clock, log, issuanceRetentionMs }),
}
