import { type Clock, sleep } from '@mini-spire/runtime/clock'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { type Metrics, noMetrics, timeCall } from '@mini-spire/runtime/telemetry/metrics'
import { Turns } from '@mini-spire/runtime/turns'
import { type Certificate, parseCertificate } from '@mini-spire/sdk/x509'
import type { JwtSvids } from '../cache/jwt-svids.ts'
import type { WorkloadCache } from '../cache/workload-cache.ts'
import type { TrustBundle } from '../model/trust-bundle.ts'

/** Tainted SVIDs are replaced this many at a time … */
const batchSize = 100
/** … and this far apart, so that a server with many agents can follow. */
const batchIntervalMs = 5_000
const cacheKey = ['cache_manager', 'workload']

/** Options of {@link TaintReaction}. */
export interface TaintReactionOptions {
  readonly cache: WorkloadCache
  readonly jwtSvids: JwtSvids
  /** Has what the cache misses signed. */
  readonly requestSvids: () => void
  readonly clock: Clock
  readonly log: Logger
  /** @default nothing is counted */
  readonly metrics?: Metrics
}

/** Drops what tainted authorities have signed. Each authority is dealt with once in the life of the process. */
export class TaintReaction {
  readonly #options: TaintReactionOptions
  readonly #done = new Set<string>()
  readonly #x509: Certificate[] = []
  readonly #turns = new Turns()
  /** The roots that were good when the last bundle came. */
  #untainted: readonly Certificate[] = []

  constructor(options: TaintReactionOptions) {
    this.#options = options
  }

  /** Whether a tainted authority has signed this chain. */
  isTainted(chain: readonly Certificate[]): boolean {
    return isSignedByOne(chain, this.#x509)
  }

  /**
   * Looks at a bundle for authorities that have become tainted, and drops what they signed: tokens at once, X509-SVIDs in
   * batches. Resolves after the last batch; one authority's batches wait for another's.
   */
  async react(bundle: TrustBundle, signal: AbortSignal): Promise<void> {
    const roots = this.#newlyTainted(bundle)
    this.#x509.push(...roots)
    const work = [this.#dropJwtSvids(bundle)]
    if (roots.length > 0) work.push(this.#turns.run(() => this.#replaceX509Svids(roots, signal)))
    await Promise.all(work)
  }

  async #replaceX509Svids(roots: readonly Certificate[], signal: AbortSignal): Promise<void> {
    const { cache, clock, log, requestSvids } = this.#options
    log.debug('New tainted X.509 authorities found', {
      subject_key_ids: roots.map(({ subjectKeyId }) => keyIdOf(subjectKeyId)).join(','),
    })
    const looked = [...cache.x509Svids()]
    if (looked.length === 0) {
      log.debug('No SVID entries to process for tainted X.509 authorities')
      return
    }
    log.debug('Scheduled rotation for SVID entries due to tainted X.509 authorities', {
      count: looked.length,
    })
    const tainted = looked
      .filter(([, svid]) => isSignedByOne(svid.chain.map(parseCertificate), roots))
      .map(([id]) => id)
    for (let start = 0; start < tainted.length; start += batchSize) {
      if (start > 0 && !(await sleep(clock, batchIntervalMs, signal))) return
      await this.#dropBatch(tainted.slice(start, start + batchSize))
      requestSvids()
      const left = tainted.length - start - batchSize
      if (left > 0) log.info('There are tainted X.509 SVIDs left to be processed', { count: left })
    }
    log.info('Finished processing all tainted entries')
  }

  async #dropBatch(entryIds: readonly string[]): Promise<void> {
    const { cache, clock, log, metrics = noMetrics } = this.#options
    await timeCall(metrics, clock, [...cacheKey, 'process_tainted_x509_svids'], () =>
      cache.dropX509Svids(entryIds),
    )
    metrics.sample(['cache_manager', 'tainted_x509_svids', 'workload'], entryIds.length)
    log.info('Tainted X.509 SVIDs', { tainted_x509_svids: entryIds.length })
  }

  async #dropJwtSvids(bundle: TrustBundle): Promise<void> {
    const keyIds = bundle.jwtAuthorities
      .filter(({ tainted, keyId }) => tainted && this.#isNew(`jwt:${keyId}`))
      .map(({ keyId }) => keyId)
    if (keyIds.length === 0) return
    const { jwtSvids, clock, log, metrics = noMetrics } = this.#options
    log.debug('New tainted JWT authorities found', { jwt_authority_key_ids: keyIds.join(',') })
    const dropped = await timeCall(metrics, clock, [...cacheKey, 'process_tainted_jwt_svids'], () =>
      jwtSvids.dropSignedBy(new Set(keyIds)),
    )
    metrics.sample(['cache_manager', 'tainted_jwt_svids', 'workload'], dropped)
    if (dropped === 0) return
    log.info(
      'JWT-SVIDs were removed from the JWT cache because they were issued by a tainted authority',
      { jwt_authority_key_ids: keyIds.join(','), tainted_jwt_svids: dropped },
    )
  }

  /** Roots that have become tainted; and those that have gone, whose mark this agent has not seen in time. */
  #newlyTainted(bundle: TrustBundle): readonly Certificate[] {
    const roots = bundle.x509Authorities.flatMap(({ certificate, tainted }) => {
      const root = readRoot(certificate)
      return root ? [{ root, tainted }] : []
    })
    const present = new Set(roots.map(({ root }) => keyIdOf(root.subjectKeyId)))
    const gone = this.#untainted.filter((root) => !present.has(keyIdOf(root.subjectKeyId)))
    const tainted = roots.filter((one) => one.tainted).map(({ root }) => root)
    this.#untainted = roots.filter((one) => !one.tainted).map(({ root }) => root)
    return [...tainted, ...gone].filter(({ subjectKeyId }) =>
      this.#isNew(`x509:${keyIdOf(subjectKeyId)}`),
    )
  }

  #isNew(authority: string): boolean {
    if (this.#done.has(authority)) return false
    this.#done.add(authority)
    return true
  }
}

/** What is not exactly one certificate (a server may store such) has signed nothing that could be recognised. */
function readRoot(der: Uint8Array): Certificate | undefined {
  try {
    return parseCertificate(der)
  } catch {
    return undefined
  }
}

/** By key identifier, or by name where a certificate has none. */
function isSignedByOne(chain: readonly Certificate[], roots: readonly Certificate[]): boolean {
  return roots.some((root) =>
    chain.some(({ authorityKeyId, issuerRaw }) =>
      authorityKeyId && root.subjectKeyId
        ? Buffer.compare(authorityKeyId, root.subjectKeyId) === 0
        : Buffer.compare(issuerRaw, root.subjectRaw) === 0,
    ),
  )
}

function keyIdOf(id: Uint8Array | undefined): string {
  return id ? Buffer.from(id).toString('hex') : ''
}
