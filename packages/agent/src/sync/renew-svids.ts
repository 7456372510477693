import { Backoff } from '@mini-spire/runtime/backoff'
import { type Clock, sleep } from '@mini-spire/runtime/clock'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { type Metrics, noMetrics, timeCall } from '@mini-spire/runtime/telemetry/metrics'
import { messageOf } from '@mini-spire/sdk/errors'
import { parseCertificate } from '@mini-spire/sdk/x509'
import type { WantedSvid, WorkloadCache } from '../cache/workload-cache.ts'
import type { AgentEntry } from '../model/agent-entry.ts'
import type { RotationRule } from '../model/rotation.ts'
import type { WorkloadX509Svid } from '../model/svid.ts'
import type { ServerApi, SignedX509Svid } from '../server-api/server-api.ts'
import { makeWorkloadKey, type WorkloadKey, type WorkloadKeyType } from './workload-keys.ts'

/** The most certificates asked for at once: what the server takes. */
const maxBatch = 500
/** After this, what the server refused or could not sign is asked for again. */
const retryMs = 500
const maxRetryMs = 240_000
/** Keys made at once, so that others get their turn between. */
const keyChunk = 16
const fetchSvidsKey = ['manager', 'sync', 'fetch_svids_updates']

/** Options of {@link X509SvidRenewer}. */
export interface X509SvidRenewerOptions {
  readonly server: Pick<ServerApi, 'newX509Svids'>
  readonly cache: WorkloadCache
  readonly rotation: RotationRule
  readonly keyType: WorkloadKeyType
  readonly clock: Clock
  readonly log: Logger
  readonly chance: () => number
  /** @default nothing is counted */
  readonly metrics?: Metrics
}

/** Has X509-SVIDs signed: when somebody waits for one, when one is due, and in advance while there is room. */
export class X509SvidRenewer {
  readonly #options: X509SvidRenewerOptions
  readonly #backoff: Backoff
  #batchLimit = maxBatch
  #isWanted = false
  #wake: (() => void) | undefined

  constructor(options: X509SvidRenewerOptions) {
    const { clock, chance } = options
    this.#options = options
    this.#backoff = new Backoff({ initialMs: retryMs, maxMs: maxRetryMs, clock, chance })
  }

  /** Says that the cache wants something; it is signed at once unless the server has just refused. */
  request(): void {
    this.#isWanted = true
    this.#wake?.()
  }

  /** Signs whenever something is wanted, until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { log, clock } = this.#options
    while (await this.#wanted(signal)) {
      try {
        while (await this.renewBatch(signal));
        this.#backoff.reset()
        if (this.#options.cache.wantedX509Svids().length === 0) continue
      } catch (error) {
        if (signal.aborted) return
        log.error('SVID sync failed', { error: messageOf(error) })
      }
      await sleep(clock, this.#backoff.next() ?? maxRetryMs, signal)
      this.#isWanted = true
    }
  }

  /** Has one batch signed; returns whether it is worth asking for another at once. */
  async renewBatch(signal: AbortSignal): Promise<boolean> {
    const { cache, clock, log, metrics = noMetrics } = this.#options
    const wanted = cache.wantedX509Svids()
    const batch = wanted.slice(0, this.#batchLimit)
    if (batch.length === 0) return false
    const signed = await timeCall(metrics, clock, fetchSvidsKey, () => this.#sign(batch, signal))
    cache.setX509Svids(signed)
    for (const { entry } of batch) {
      if (signed.has(entry.id)) {
        const spiffeId = String(entry.spiffeId)
        log.debug('SVID updated', { entry: entry.id, spiffe_id: spiffeId })
      }
    }
    metrics.gauge(['lru_cache_svid_map_size'], cache.x509SvidCount)
    return signed.size > 0 && wanted.length > signed.size
  }

  async #sign(
    batch: readonly WantedSvid[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, WorkloadX509Svid>> {
    for (const one of batch) this.#logWanted(one)
    const keys = await this.#makeKeys(batch)
    const requests = batch.map(({ entry }, i) => ({
      entryId: entry.id,
      csr: (keys[i] as WorkloadKey).csr,
    }))
    let answers: readonly SignedX509Svid[]
    try {
      answers = await this.#options.server.newX509Svids(requests, signal)
    } catch (error) {
      this.#batchLimit = Math.max(1, Math.floor(this.#batchLimit / 2))
      throw error
    }
    this.#batchLimit = Math.min(maxBatch, this.#batchLimit * 2)
    return this.#collect(batch, keys, answers)
  }

  async #makeKeys(batch: readonly WantedSvid[]): Promise<readonly WorkloadKey[]> {
    const keys: WorkloadKey[] = []
    for (let start = 0; start < batch.length; start += keyChunk) {
      const chunk = batch.slice(start, start + keyChunk)
      const made = chunk.map(({ entry }) => makeWorkloadKey(this.#options.keyType, entry.spiffeId))
      keys.push(...(await Promise.all(made)))
    }
    return keys
  }

  #collect(
    batch: readonly WantedSvid[],
    keys: readonly WorkloadKey[],
    answers: readonly SignedX509Svid[],
  ): ReadonlyMap<string, WorkloadX509Svid> {
    const signed = new Map<string, WorkloadX509Svid>()
    for (const [i, { entry }] of batch.entries()) {
      const { chain, refusal = '' } = answers[i] ?? {}
      if (!chain) {
        this.#options.log.warn('X509-SVID was not signed', { entry_id: entry.id, error: refusal })
        continue
      }
      const svid = this.#usable(chain, keys[i] as WorkloadKey, entry)
      if (!svid) continue
      if (this.#options.rotation.isTooShort(svid))
        this.#warnTooShort(entry.spiffeId.toString(), entry.id)
      signed.set(entry.id, svid)
    }
    return signed
  }

  /** One certificate that cannot be used, whatever it is that the server signed, takes nothing from the others. */
  #usable(
    chain: readonly Uint8Array[],
    key: WorkloadKey,
    { id, spiffeId, revisionNumber }: AgentEntry,
  ): WorkloadX509Svid | undefined {
    try {
      return svidFrom(chain, key, revisionNumber)
    } catch (error) {
      const fields = { entry_id: id, spiffe_id: spiffeId.toString(), error: messageOf(error) }
      this.#options.log.error('X509-SVID cannot be used', fields)
      return undefined
    }
  }

  #logWanted({ entry, expiresAtMs }: WantedSvid): void {
    const fields = { spiffe_id: entry.spiffeId.toString(), entry_id: entry.id }
    if (expiresAtMs === 0) this.#options.log.info('Creating X509-SVID', fields)
    else {
      const expires_at = new Date(expiresAtMs).toISOString().replace('.000Z', 'Z')
      this.#options.log.info('Renewing X509-SVID', { ...fields, expires_at })
    }
  }

  #warnTooShort(spiffe_id: string, entry_id: string): void {
    this.#options.log.warn(
      "X509 SVID lifetime isn't long enough to guarantee the availability_target, falling back to the default rotation strategy",
      { spiffe_id, entry_id },
    )
  }

  /** Waits until something is wanted; false: aborted. */
  async #wanted(signal: AbortSignal): Promise<boolean> {
    if (!this.#isWanted && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const finish = (): void => {
          this.#wake = undefined
          signal.removeEventListener('abort', finish)
          resolve()
        }
        this.#wake = finish
        signal.addEventListener('abort', finish, { once: true })
      })
    }
    this.#isWanted = false
    return !signal.aborted
  }
}

function svidFrom(
  chain: readonly Uint8Array[],
  { key }: WorkloadKey,
  revisionNumber: number,
): WorkloadX509Svid {
  const leaf = parseCertificate(chain[0] as Uint8Array)
  return {
    chain,
    privateKey: key.export({ type: 'pkcs8', format: 'der' }),
    notBeforeMs: leaf.notBefore.getTime(),
    notAfterMs: leaf.notAfter.getTime(),
    revisionNumber,
  }
}
