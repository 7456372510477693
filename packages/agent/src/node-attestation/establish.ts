import { Backoff } from '@mini-spire/runtime/backoff'
import { type Clock, sleep } from '@mini-spire/runtime/clock'
import { errorText } from '@mini-spire/runtime/grpc/status-text'
import type { Logger } from '@mini-spire/runtime/log/logger'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import type { TrustBundle } from '../model/trust-bundle.ts'
import { isPermissionDenied, isUnknownAuthority } from '../server-api/verdict.ts'
import type { AgentStorage } from '../storage/agent-state.ts'
import type { AgentIdentity } from './agent-identity.ts'
import type { BootstrapTrust } from './bootstrap.ts'
import type { BootstrapState } from './bootstrap-state.ts'
import { NodeAttestationError } from './node-attestation-error.ts'
import type { Rebootstrap } from './rebootstrap.ts'

const initialRetryMs = 5_000
const maxElapsedMs = 60_000
const maxElapsedRebootstrapMs = 24 * 3_600_000

/** Options of {@link establishIdentity}. */
export interface EstablishOptions {
  readonly identity: AgentIdentity
  readonly storage: AgentStorage
  readonly state: BootstrapState
  readonly rebootstrap: Rebootstrap
  readonly trustDomain: TrustDomain
  /** Asks the configured source. */
  readonly loadTrust: (signal: AbortSignal) => Promise<BootstrapTrust>
  readonly clock: Clock
  /** Of what the attestor does. */
  readonly log: Logger
  /** Of what the agent makes of it. */
  readonly agentLog: Logger
  readonly chance: () => number
}

/** Delays between attempts at start: a minute in all, a day when a new bundle may have to be waited for. */
export function startBackoff(
  options: Pick<EstablishOptions, 'rebootstrap' | 'clock' | 'chance'>,
): Backoff {
  const { rebootstrap, clock, chance } = options
  return new Backoff({
    initialMs: initialRetryMs,
    maxElapsedMs: rebootstrap.isEnabled ? maxElapsedRebootstrapMs : maxElapsedMs,
    clock,
    chance,
  })
}

/**
 * Finds the agent's SVID on disk or attests for one, trying again until the time is up. Returns the bundle to begin with.
 *
 * @throws the last failure; at once when the server refuses for lack of permission, or when the signal aborts
 */
export async function establishIdentity(
  options: EstablishOptions,
  signal: AbortSignal,
): Promise<TrustBundle> {
  const { state, rebootstrap, clock, agentLog } = options
  rebootstrap.check()
  const backoff = startBackoff(options)
  for (;;) {
    try {
      const bundle = await identify(options, signal)
      await state.succeed()
      rebootstrap.check()
      return bundle
    } catch (error) {
      if (signal.aborted || isFinal(error)) throw error
      if (isUnknownAuthority(error)) await forgetBundleIfDue(options)
      const delayMs = backoff.next()
      if (delayMs === undefined) throw error
      agentLog.warn('Failed to retrieve attestation result', {
        error: errorText(error),
        retry_interval: `${(delayMs / 1000).toFixed(3)}s`,
      })
      if (!(await sleep(clock, delayMs, signal))) throw error
    }
  }
}

function isFinal(error: unknown): boolean {
  if (error instanceof NodeAttestationError && error.code === 'ERR_NOT_REATTESTABLE') return true
  return isPermissionDenied(error)
}

async function identify(options: EstablishOptions, signal: AbortSignal): Promise<TrustBundle> {
  const { identity, storage, trustDomain } = options
  const stored = storage.state.bundle
  const trust: BootstrapTrust =
    stored.length > 0 ? { kind: 'roots', roots: stored } : await options.loadTrust(signal)
  const log =
    trust.kind === 'roots'
      ? options.log.with({ trust_domain_id: trustDomain.idString })
      : options.log
  log.info(trust.kind === 'roots' ? 'Bundle loaded' : 'Bundle is not found')
  const svid = identity.current ?? (await identity.load())
  if (!svid) return await attest({ ...options, log }, trust, signal)
  if (trust.kind === 'insecure')
    throw new NodeAttestationError('ERR_AGENT_SVID', 'SVID loaded but no bundle in cache')
  log.info('SVID loaded', { spiffe_id: svid.spiffeId.toString() })
  return bundleOf(trustDomain, trust.roots)
}

async function attest(
  { identity, log }: EstablishOptions,
  trust: BootstrapTrust,
  signal: AbortSignal,
): Promise<TrustBundle> {
  log.info('SVID is not found. Starting node attestation')
  const bundle = await identity.attest(trust, signal)
  log.info('Node attestation was successful', {
    spiffe_id: String(identity.current?.spiffeId),
    reattestable: identity.current?.isReattestable,
  })
  return bundle
}

async function forgetBundleIfDue(options: EstablishOptions): Promise<void> {
  const { state, rebootstrap, storage, agentLog } = options
  if (!state.isRebootstrap) {
    agentLog.info("Trust Bundle and Server don't agree, bootstrapping again")
    return
  }
  if (!rebootstrap.isEnabled || !(await rebootstrap.isDue(agentLog))) return
  agentLog.warn("Trust Bundle and Server don't agree, rebootstrapping")
  await storage.update({ bundle: [] })
}

function bundleOf(trustDomain: TrustDomain, roots: readonly Uint8Array[]): TrustBundle {
  return {
    trustDomain,
    x509Authorities: roots.map((certificate) => ({ certificate, tainted: false })),
    jwtAuthorities: [],
    refreshHintSeconds: 0,
    sequenceNumber: 0,
  }
}
