import { type Clock, sleep } from '@mini-spire/runtime/clock'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { isSpiffeError, messageOf } from '@mini-spire/sdk/errors'
import { parseCertificate } from '@mini-spire/sdk/x509'
import { expired } from '../bundle/authorities.ts'
import { OwnBundleError } from '../bundle/bundle-error.ts'
import type { OwnBundle } from '../bundle/own-bundle.ts'
import type { JwtAuthority } from '../model/trust-bundle.ts'
import type { Store } from '../store/store.ts'
import { caCause, type JournalReader } from './journal.ts'
import { pruneJournals } from './prune-journals.ts'

const hourMs = 60 * 60 * 1000
const pruneBundleIntervalMs = 6 * hourMs
const pruneJournalsIntervalMs = 8 * hourMs
/** How long an authority stays in the bundle after it expired. */
const bundleMarginMs = 24 * hourMs

/** How a run went. */
export interface PruningOutcome {
  readonly durationMs: number
  /** Whether the bundle was changed. */
  readonly isChanged: boolean
  /** Undefined when it succeeded. */
  readonly error: unknown
}

/** Options of {@link runCaMaintenance}. */
export interface CaMaintenanceOptions {
  readonly bundle: OwnBundle
  readonly journals: JournalReader
  readonly store: Pick<Store, 'commit'>
  readonly clock: Clock
  readonly log: Logger
  /** Told of each run. */
  readonly onPruned?: (outcome: PruningOutcome) => void
  readonly signal: AbortSignal
}

/**
 * Removes what has expired until the signal aborts: authorities from the own bundle every six hours, journals of servers that
 * have gone every eight. Each first runs one interval after the start. Failures are logged, the next run tries again.
 */
export async function runCaMaintenance(options: CaMaintenanceOptions): Promise<void> {
  const { log } = options
  await Promise.all([
    every(pruneBundleIntervalMs, options, 'Could not prune CA certificates', async () => {
      const isChanged = await pruneBundle(options)
      if (isChanged) log.debug('Expired certificates were successfully pruned from bundle')
      return isChanged
    }),
    every(pruneJournalsIntervalMs, options, 'Could not prune CA journals', async () => {
      const pruned = await pruneJournals({ ...options, nowMs: options.clock.nowMs() })
      for (const id of pruned) log.info('Pruned stale CA journal record', { ca_journal_id: id })
      return false
    }),
  ])
}

async function pruneBundle({ bundle, clock, log }: CaMaintenanceOptions): Promise<boolean> {
  const expiredAt = new Date(clock.nowMs() - bundleMarginMs)
  const before = bundle.get()
  const over = before && expired(before, expiredAt.getTime())
  try {
    const isChanged = await bundle.prune(expiredAt, caCause('bundle prune'))
    if (isChanged && over) logPruned(log, over)
    return isChanged
  } catch (cause) {
    if (!isSpiffeError(cause, 'ERR_BUNDLE_PRUNE_REFUSED')) throw cause
    const isAboutX509 = before?.x509Authorities.length === over?.x509Authorities.length
    const what = isAboutX509 ? 'CA certificates' : 'JWT signing keys'
    log.warn(`Pruning halted; all known ${what} have expired`)
    const message = `unable to prune bundle: prune failed: ${messageOf(cause)}`
    throw new OwnBundleError('ERR_BUNDLE_PRUNE_REFUSED', message, { cause })
  }
}

function logPruned(log: Logger, over: ReturnType<typeof expired>): void {
  for (const { certificate } of over.x509Authorities) {
    const { serialNumber, notAfter } = parseCertificate(certificate)
    const fields = { serial_num: serialNumber, expiration: notAfter }
    log.info('Pruning CA certificate due to expiration', fields)
  }
  const logKeys = (what: string, keys: readonly JwtAuthority[]): void => {
    for (const { keyId, expiresAtSeconds } of keys) {
      const fields = { kid: keyId, expiration: new Date(expiresAtSeconds * 1000) }
      log.info(`Pruning ${what} signing key due to expiration`, fields)
    }
  }
  logKeys('JWT', over.jwtAuthorities)
  logKeys('WIT', over.witAuthorities)
}

async function every(
  intervalMs: number,
  options: CaMaintenanceOptions,
  failure: string,
  work: () => Promise<boolean>,
): Promise<void> {
  const { clock, log, onPruned, signal } = options
  while (await sleep(clock, intervalMs, signal)) {
    const startedMs = clock.nowMs()
    const durationMs = (): number => clock.nowMs() - startedMs
    try {
      const isChanged = await work()
      onPruned?.({ durationMs: durationMs(), isChanged, error: undefined })
    } catch (error) {
      log.error(failure, { error })
      onPruned?.({ durationMs: durationMs(), isChanged: false, error })
    }
  }
}
