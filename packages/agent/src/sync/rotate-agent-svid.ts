import { Backoff } from '@mini-spire/runtime/backoff'
import { type Clock, sleep } from '@mini-spire/runtime/clock'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { untilNextLook } from '@mini-spire/runtime/next-look'
import { type Metrics, noMetrics, timeCall } from '@mini-spire/runtime/telemetry/metrics'
import { messageOf } from '@mini-spire/sdk/errors'
import type { WorkloadCache } from '../cache/workload-cache.ts'
import type { RotationRule } from '../model/rotation.ts'
import type { AgentIdentity } from '../node-attestation/agent-identity.ts'
import { NodeAttestationError } from '../node-attestation/node-attestation-error.ts'
import type { ServerApi } from '../server-api/server-api.ts'
import { verdictOf } from '../server-api/verdict.ts'
import { SyncError } from './sync-error.ts'
import type { TaintReaction } from './taints.ts'

const checkIntervalMs = 5_000

/** Options of {@link AgentSvidRotator}. */
export interface AgentSvidRotatorOptions {
  readonly identity: AgentIdentity
  readonly server: Pick<ServerApi, 'renew'>
  readonly cache: WorkloadCache
  readonly rotation: RotationRule
  readonly taints: TaintReaction
  readonly clock: Clock
  readonly log: Logger
  readonly chance: () => number
  /** @default nothing is counted */
  readonly metrics?: Metrics
}

/** Keeps the agent's own SVID fresh: by attesting again where the attestor can, by renewal where not. */
export class AgentSvidRotator {
  readonly #options: AgentSvidRotatorOptions
  readonly #backoff: Backoff

  constructor(options: AgentSvidRotatorOptions) {
    const { clock, chance } = options
    this.#options = options
    this.#backoff = new Backoff({ initialMs: checkIntervalMs, clock, chance })
  }

  /**
   * Rotates when it is due until the signal aborts.
   *
   * @throws {SyncError} `ERR_AGENT_SVID_EXPIRED` when the SVID ran out and nothing helped, `ERR_SYNC_FAILED` when the server refuses the agent
   */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options
    do {
      try {
        if (this.#isDue()) await this.#rotate(signal)
        this.#backoff.reset()
      } catch (error) {
        if (signal.aborted) return
        this.#judge(error)
      }
    } while (await sleep(clock, this.#delayMs(), signal))
  }

  #delayMs(): number {
    const { identity, clock } = this.#options
    const delayMs = this.#backoff.next() ?? checkIntervalMs
    if (!identity.current) return delayMs
    return untilNextLook(delayMs, identity.current.notAfterMs - clock.nowMs())
  }

  /**
   * Attests again in place.
   *
   * @throws {NodeAttestationError} `ERR_NOT_REATTESTABLE`
   */
  async reattest(signal: AbortSignal): Promise<void> {
    const { identity, cache, clock, log, metrics = noMetrics } = this.#options
    if (!identity.current?.isReattestable) {
      throw new NodeAttestationError(
        'ERR_NOT_REATTESTABLE',
        'attestation method is not re-attestable',
      )
    }
    log.debug('Reattesting node')
    const roots = cache.bundles.own.x509Authorities.map(({ certificate }) => certificate)
    const bundle = await timeCall(metrics, clock, ['node', 'attest'], () =>
      identity.attest({ kind: 'roots', roots }, signal),
    )
    cache.setOwnBundle(bundle)
    log.info('Successfully reattested node', { spiffe_id: String(identity.current?.spiffeId) })
  }

  #isDue(): boolean {
    const { identity, rotation, taints, clock } = this.#options
    const svid = identity.current
    if (!svid) return false
    return rotation.isX509Due(svid, clock.nowMs()) || taints.isTainted(svid.certificates)
  }

  async #rotate(signal: AbortSignal): Promise<void> {
    const { identity, server, taints, clock, log, metrics = noMetrics } = this.#options
    if (taints.isTainted(identity.current?.certificates ?? []))
      log.info('Agent SVID is tainted by a root authority, forcing rotation')
    if (identity.current?.isReattestable) {
      await this.reattest(signal)
      return
    }
    log.debug('Rotating agent SVID')
    await timeCall(metrics, clock, ['agent_svid', 'rotate'], () => identity.renew(server, signal))
    log.info('Successfully rotated agent SVID', { spiffe_id: String(identity.current?.spiffeId) })
  }

  #judge(error: unknown): void {
    const { identity, clock, log } = this.#options
    const svid = identity.current
    const what = svid?.isReattestable ? 'reattest agent' : 'rotate agent SVID'
    log.error(`Could not ${what}`, { error: messageOf(error) })
    if (svid && clock.nowMs() >= svid.notAfterMs) {
      throw new SyncError(
        'ERR_AGENT_SVID_EXPIRED',
        `current SVID has already expired and ${what} failed: ${messageOf(error)}`,
        { cause: error },
      )
    }
    if (verdictOf(error)) throw new SyncError('ERR_SYNC_FAILED', messageOf(error), { cause: error })
  }
}
