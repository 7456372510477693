import { setMaxListeners } from 'node:events'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { messageOf } from '@mini-spire/sdk/errors'
import type { AgentIdentity } from '../node-attestation/agent-identity.ts'
import { verdictOf } from '../server-api/verdict.ts'
import type { X509SvidRenewer } from './renew-svids.ts'
import type { AgentSvidRotator } from './rotate-agent-svid.ts'
import type { Synchronizer } from './synchronizer.ts'

/** What runs side by side while the agent serves. */
export interface SyncParts {
  readonly synchronizer: Synchronizer
  readonly renewer: X509SvidRenewer
  readonly rotator: AgentSvidRotator
  readonly identity: AgentIdentity
  readonly log: Logger
}

/**
 * Keeps cache and agent SVID up to date until the signal aborts. When the server does not know the agent any more, it attests
 * again in place, if it can.
 *
 * @throws what ends the agent: banned, not known and not able to attest again, trust lost, SVID expired
 */
export async function keepInSync(parts: SyncParts, signal: AbortSignal): Promise<void> {
  const { identity, rotator, log } = parts
  for (;;) {
    try {
      await runTogether(parts, signal)
      log.info('Cache manager stopped')
      return
    } catch (error) {
      const verdict = verdictOf(error)
      const fields = { error: messageOf(error) }
      if (verdict === 'banned') {
        log.warn('Agent is banned: removing SVID and shutting down', fields)
        await identity.forget()
        throw error
      }
      if (verdict === undefined) {
        log.error('Cache manager crashed', fields)
        throw error
      }
      log.warn('Agent needs to re-attest; will attempt to re-attest', fields)
      await reattest(rotator, parts, signal, error)
    }
  }
}

/** Runs all until one fails, then stops the others. */
async function runTogether(parts: SyncParts, signal: AbortSignal): Promise<void> {
  const stop = new AbortController()
  const joined = AbortSignal.any([signal, stop.signal])
  setMaxListeners(0, joined)
  const tasks = [parts.synchronizer, parts.renewer, parts.rotator].map((task) => task.run(joined))
  try {
    await Promise.all(tasks)
  } finally {
    stop.abort()
    await Promise.allSettled(tasks)
  }
}

async function reattest(
  rotator: AgentSvidRotator,
  { identity, log }: SyncParts,
  signal: AbortSignal,
  reason: unknown,
): Promise<void> {
  try {
    await rotator.reattest(signal)
  } catch (error) {
    if (signal.aborted) return
    log.error('Agent failed re-attestation; removing SVID and shutting down', {
      error: messageOf(error),
    })
    await identity.forget()
    throw reason
  }
}
