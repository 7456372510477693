import { sleep } from '@mini-spire/runtime/clock'
import { messageOf } from '@mini-spire/sdk/errors'
import { type EstablishOptions, startBackoff } from '../node-attestation/establish.ts'
import type { ServerApi } from '../server-api/server-api.ts'
import { isUnknownAuthority, verdictOf } from '../server-api/verdict.ts'
import { SyncError } from './sync-error.ts'
import type { Synchronizer } from './synchronizer.ts'

/** Options of {@link initializeSync}. */
export interface InitializeOptions extends EstablishOptions {
  readonly server: Pick<ServerApi, 'postStatus'>
  readonly synchronizer: Pick<Synchronizer, 'synchronize'>
  readonly agentVersion: string
}

/**
 * Says hello and fills the cache for the first time, trying again until the time is up.
 *
 * @throws the last failure; at once when the server refuses the agent (its SVID on disk is then removed)
 */
export async function initializeSync(
  options: InitializeOptions,
  signal: AbortSignal,
): Promise<void> {
  const { clock, log, state, storage } = options
  const backoff = startBackoff(options)
  for (;;) {
    try {
      await postStatus(options, signal)
      await options.synchronizer.synchronize(signal)
      if (storage.state.bootstrapStartTime) await state.succeed()
      return
    } catch (error) {
      if (signal.aborted) throw error
      await checkRefusal(options, error)
      const delayMs = backoff.next()
      if (delayMs === undefined) throw error
      log.warn('Failed to initialize manager', {
        error: messageOf(error),
        retry_interval: `${(delayMs / 1000).toFixed(3)}s`,
      })
      if (!(await sleep(clock, delayMs, signal))) throw error
    }
  }
}

async function postStatus(options: InitializeOptions, signal: AbortSignal): Promise<void> {
  const { server, agentVersion, log } = options
  try {
    await server.postStatus(agentVersion, signal)
  } catch (error) {
    const fields = { agent_version: agentVersion, error: messageOf(error) }
    log.error('Failed to post agent status', fields)
  }
}

async function checkRefusal(options: InitializeOptions, error: unknown): Promise<void> {
  const { identity, log, rebootstrap, state } = options
  const verdict = verdictOf(error)
  if (verdict) {
    const what = verdict === 'banned' ? 'is banned' : 'needs to re-attest'
    log.error(`Agent ${what}: removing SVID and shutting down`, { error: messageOf(error) })
    await identity.forget()
    throw error
  }
  if (!isUnknownAuthority(error) || !rebootstrap.isEnabled) return
  if (!(await rebootstrap.isDue(log))) return
  log.info("Trust Bundle and Server don't agree, rebootstrapping")
  await state.force()
  const text = 'Agent needs to rebootstrap. shutting down'
  throw new SyncError('ERR_SHUTDOWN_TO_REBOOTSTRAP', text, { cause: error })
}
