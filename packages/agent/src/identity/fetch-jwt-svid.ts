import type { Clock } from '@mini-spire/runtime/clock'
import type { Logger } from '@mini-spire/runtime/log/logger'
import type { Metrics } from '@mini-spire/runtime/telemetry/metrics'
import { messageOf } from '@mini-spire/sdk/errors'
import { type JwtSvids, jwtSvidKey } from '../cache/jwt-svids.ts'
import type { AgentEntry } from '../model/agent-entry.ts'
import type { RotationRule } from '../model/rotation.ts'
import type { WorkloadJwtSvid } from '../model/svid.ts'
import type { ServerApi, SignedJwtSvid } from '../server-api/server-api.ts'
import { IdentityError } from './identity-error.ts'

/** How long the server may take for a token. */
const timeoutMs = 30_000

/** Options of {@link JwtSvidFetcher}. */
export interface JwtSvidFetcherOptions {
  readonly server: Pick<ServerApi, 'newJwtSvid'>
  readonly svids: JwtSvids
  readonly rotation: RotationRule
  /** How long the server may take while there still is an old token to give. */
  readonly cacheHitTimeoutMs: number
  /** Aborts when the agent stops. */
  readonly signal: AbortSignal
  readonly clock: Clock
  readonly log: Logger
  /** @default nothing is counted */
  readonly metrics?: Pick<Metrics, 'gauge'>
}

/** JWT-SVIDs from the cache, or from the server. Who asks for the same at once shares one answer. */
export class JwtSvidFetcher {
  readonly #options: JwtSvidFetcherOptions
  readonly #running = new Map<string, Promise<WorkloadJwtSvid>>()

  constructor(options: JwtSvidFetcherOptions) {
    this.#options = options
  }

  /** A token that is cached and not yet past half its life; the way without waiting. */
  findFresh(entry: AgentEntry, audience: readonly string[]): WorkloadJwtSvid | undefined {
    const cached = this.#options.svids.find(jwtSvidKey(entry.spiffeId, audience))
    return cached && this.#isFresh(cached) ? cached : undefined
  }

  /**
   * A token that is good now. While the server is away, an old one is given as long as it has not expired.
   *
   * @throws {ServerApiError} what the server call failed with
   * @throws {IdentityError} `ERR_JWT_SVID_UNAVAILABLE` when it failed and the old token has expired
   */
  fetch(entry: AgentEntry, audience: readonly string[]): Promise<WorkloadJwtSvid> {
    const key = jwtSvidKey(entry.spiffeId, audience)
    const cached = this.#options.svids.find(key)
    if (cached && this.#isFresh(cached)) return Promise.resolve(cached)
    const running = this.#running.get(key)
    if (running) return running
    const renewal = this.#renew(key, entry, audience, cached).finally(() =>
      this.#running.delete(key),
    )
    this.#running.set(key, renewal)
    return renewal
  }

  async #renew(
    key: string,
    entry: AgentEntry,
    audience: readonly string[],
    cached: WorkloadJwtSvid | undefined,
  ): Promise<WorkloadJwtSvid> {
    const { server, svids, clock, signal, cacheHitTimeoutMs, log } = this.#options
    const isUsable = cached !== undefined && cached.expiresAtMs > clock.nowMs()
    try {
      const signed = await server.newJwtSvid(
        { entryId: entry.id, audience },
        { signal, timeoutMs: isUsable ? cacheHitTimeoutMs : timeoutMs },
      )
      const svid = cachedFrom(signed)
      svids.set(key, svid)
      this.#options.metrics?.gauge(['jwt_svid_cache_size'], svids.size)
      return svid
    } catch (error) {
      if (!cached) throw error
      const spiffe_id = entry.spiffeId.toString()
      if (cached.expiresAtMs <= clock.nowMs()) {
        throw new IdentityError(
          'ERR_JWT_SVID_UNAVAILABLE',
          `unable to renew JWT for "${spiffe_id}" (err=${messageOf(error)})`,
          { cause: error },
        )
      }
      log.warn('Unable to renew JWT; returning cached copy', {
        error: messageOf(error),
        spiffe_id,
      })
      return cached
    }
  }

  #isFresh({ issuedAtMs, expiresAtMs }: WorkloadJwtSvid): boolean {
    const validity = { notBeforeMs: issuedAtMs, notAfterMs: expiresAtMs }
    return !this.#options.rotation.isPastHalf(validity, this.#options.clock.nowMs())
  }
}

function cachedFrom({ token, issuedAtSeconds, expiresAtSeconds }: SignedJwtSvid): WorkloadJwtSvid {
  return {
    token,
    keyId: keyIdOf(token),
    issuedAtMs: issuedAtSeconds * 1000,
    expiresAtMs: expiresAtSeconds * 1000,
  }
}

/** The `kid` of a token that our server just gave us; empty when it has none. */
function keyIdOf(token: string): string {
  try {
    const header = Buffer.from(token.slice(0, token.indexOf('.')), 'base64url').toString()
    const { kid } = JSON.parse(header) as { readonly kid?: unknown }
    return typeof kid === 'string' ? kid : ''
  } catch {
    return ''
  }
}
