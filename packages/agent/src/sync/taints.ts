import { type Clock, sleep } from '@mini-spire/runtime/clock'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { type Metrics, noMetrics, timeCall } from '@mini-spire/runtime/telemetry/metrics'
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

  constructor(options: TaintReactionOptions) {
    this.#options = options
  }

  /** Whether a tainted authority has signed this chain. */
  isTainted(chain: readonly Certificate[]): boolean {
    return isSignedByOne(chain, this.#x509)
  }

  /** Looks at a bundle for authorities that have become tainted, and drops what they signed. */
  async react(bundle: TrustBundle, signal: AbortSignal): Promise<void> {
    await this.#dropJwtSvids(bundle)
    const roots = this.#newlyTainted(bundle)
    if (roots.length === 0) return
    const { metrics = noMetrics, clock } = this.#options
    await timeCall(metrics, clock, [...cacheKey, 'process_tainted_x509_svids'], () =>
      this.#replaceX509Svids(roots, signal),
    )
  }

  async #replaceX509Svids(roots: readonly Certificate[], signal: AbortSignal): Promise<void> {
    this.#x509.push(...roots)
    const { cache, clock, log, requestSvids, metrics = noMetrics } = this.#options
    const tainted = [...cache.x509Svids()]
      .filter(([, svid]) => isSignedByOne(svid.chain.map(parseCertificate), roots))
      .map(([id]) => id)
    metrics.sample(['cache_manager', 'tainted_x509_svids', 'workload'], tainted.length)
    if (tainted.length > 0)
      log.info('Replacing X509-SVIDs of a tainted authority', { count: tainted.length })
    for (let start = 0; start < tainted.length; start += batchSize) {
      if (start > 0 && !(await sleep(clock, batchIntervalMs, signal))) return
      cache.dropX509Svids(tainted.slice(start, start + batchSize))
      requestSvids()
    }
  }

  async #dropJwtSvids(bundle: TrustBundle): Promise<void> {
    const keyIds = bundle.jwtAuthorities
      .filter(({ tainted, keyId }) => tainted && this.#isNew(`jwt:${keyId}`))
      .map(({ keyId }) => keyId)
    if (keyIds.length === 0) return
    const { jwtSvids, clock, metrics = noMetrics } = this.#options
    const dropped = await timeCall(metrics, clock, [...cacheKey, 'process_tainted_jwt_svids'], () =>
      jwtSvids.dropSignedBy(new Set(keyIds)),
    )
    metrics.sample(['cache_manager', 'tainted_jwt_svids', 'workload'], dropped)
  }

  #newlyTainted(bundle: TrustBundle): readonly Certificate[] {
    return bundle.x509Authorities
      .filter(({ tainted }) => tainted)
      .map(({ certificate }) => parseCertificate(certificate))
      .filter((root) => this.#isNew(`x509:${keyIdOf(root.subjectKeyId)}`))
  }

  #isNew(authority: string): boolean {
    if (this.#done.has(authority)) return false
    this.#done.add(authority)
    return true
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
