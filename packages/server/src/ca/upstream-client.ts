import { type Clock, sleep } from '@mini-spire/runtime/clock'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { Turns } from '@mini-spire/runtime/turns'
import { isSpiffeError, messageOf } from '@mini-spire/sdk/errors'
import type { OwnBundle } from '../bundle/own-bundle.ts'
import { type SyncedRoots, subjectKeyId, syncedWithUpstream } from '../bundle/upstream-roots.ts'
import type { JwtAuthority, X509Authority } from '../model/trust-bundle.ts'
import type {
  MintX509CaRequest,
  UpstreamAuthority,
} from '../plugins/upstream-authority/upstream-authority.ts'
import type { Cause } from '../store/store.ts'
import { CaError } from './ca-error.ts'
import { caCause } from './journal.ts'
import type { PublishJwtAuthority } from './jwt-publisher.ts'
import { UpstreamUpdates } from './upstream-updates.ts'

/** How long publishing a JWT authority may take. */
const publishLimitMs = 5000
/** How long after the start the upstream authority is asked for its bundle, and how long after a failure again. */
const subscribeDelayMs = 5000

/** Options of {@link UpstreamClient}. */
export interface UpstreamClientOptions {
  readonly plugin: UpstreamAuthority
  readonly bundle: OwnBundle
  readonly clock: Clock
  readonly log: Logger
  /** Told of roots that the upstream authority has tainted; they are not marked in the own bundle yet. */
  readonly onTainted: (roots: readonly X509Authority[]) => void
}

/** Judges what was minted before the bundle is touched; throws to refuse it. */
export type MintedCheck = (
  chain: readonly Uint8Array[],
  roots: readonly Uint8Array[],
) => Promise<void>

const rootTexts = {
  takeFailed: 'Failed to store X.509 roots received by the upstream authority plugin.',
  streamFailed:
    'The upstream authority plugin stopped streaming X.509 root updates prematurely. Please report this bug. Will retry later.',
}
const keyTexts = {
  takeFailed: 'Failed to store JWT keys received by the upstream authority plugin.',
  streamFailed:
    'The upstream authority plugin stopped streaming JWT key updates prematurely. Please report this bug. Will retry later.',
}

/**
 * Speaks to the upstream authority and keeps the own bundle in line with what it says: its roots are this trust domain's
 * roots, its JWT authorities are added to the own ones.
 */
export class UpstreamClient implements AsyncDisposable {
  readonly #options: UpstreamClientOptions
  readonly #minting: UpstreamUpdates
  readonly #publishing: UpstreamUpdates
  /** Subject key identifiers of tainted roots that were reported. */
  readonly #reported = new Set<string>()
  #hasWarnedOfJwt = false
  /** One call of a kind after the other: downstream servers publish here too. */
  readonly #turns = { mint: new Turns(), publish: new Turns() }

  constructor(options: UpstreamClientOptions) {
    this.#options = options
    this.#minting = new UpstreamUpdates(options.log)
    this.#publishing = new UpstreamUpdates(options.log)
  }

  /**
   * Has a CA certificate signed. When it resolves, the roots are in the own bundle.
   *
   * @returns DER, the new CA first
   * @throws {CaError} `ERR_UPSTREAM_CALL`; what the check throws; {@link OwnBundleError}
   */
  async mint(request: MintX509CaRequest, check: MintedCheck): Promise<readonly Uint8Array[]> {
    return await this.#turns.mint.run(() => this.#mint(request, check))
  }

  /**
   * Publishes a JWT authority above, or in the own bundle when there is no way to: the trust domain's other servers then do not
   * know it, which is warned of once.
   *
   * @throws {CaError} `ERR_UPSTREAM_CALL`, `ERR_UPSTREAM_TIMEOUT` after five seconds
   */
  readonly publish: PublishJwtAuthority = async (authority, cause) =>
    await this.#turns.publish.run(() => this.#publish({ ...authority, tainted: false }, cause))

  /** Follows the upstream authority's bundle until the signal aborts; at once done when it has none to follow. */
  async followBundle(signal: AbortSignal): Promise<void> {
    const { plugin, clock, log } = this.#options
    while (await sleep(clock, subscribeDelayMs, signal)) {
      try {
        for await (const { roots, keys } of plugin.subscribeToLocalBundle(signal)) {
          await this.#syncRoots(roots)
          await this.#appendKeys(keys, upstreamCause)
        }
      } catch (error) {
        if (signal.aborted || isUnimplemented(error)) return
        log.error('Failed to follow the bundle of the upstream authority; trying again', {
          error: named(plugin, error),
        })
      }
    }
  }

  /** Ends every call that is followed. The plugin itself stays. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#minting.stop(), this.#publishing.stop()])
  }

  async #mint(request: MintX509CaRequest, check: MintedCheck): Promise<readonly Uint8Array[]> {
    const call = await this.#minting.restart()
    try {
      const { chain, roots, rootUpdates } = await this.#ask((plugin) =>
        plugin.mintX509Ca(request, call.signal),
      )
      await check(
        chain,
        roots.map(({ certificate }) => certificate),
      )
      await this.#syncRoots(roots)
      const take = (updated: readonly X509Authority[]): Promise<void> => this.#syncRoots(updated)
      this.#minting.follow({ updates: rootUpdates, take, texts: rootTexts })
      return chain
    } catch (error) {
      call.abort()
      throw error
    }
  }

  async #publish(key: JwtAuthority, cause: Cause): Promise<readonly JwtAuthority[]> {
    const call = await this.#publishing.restart()
    const timeout = new CaError('ERR_UPSTREAM_TIMEOUT', 'context deadline exceeded')
    const timer = this.#options.clock.setTimer(publishLimitMs, () => call.abort(timeout))
    try {
      const { keys, keyUpdates } = await untilAborted(call.signal, () =>
        this.#ask((plugin) => plugin.publishJwtKey(key, call.signal)),
      )
      const all = await this.#appendKeys(keys, cause)
      const take = (updated: readonly JwtAuthority[]): Promise<unknown> =>
        this.#appendKeys(updated, upstreamCause)
      this.#publishing.follow({ updates: keyUpdates, take, texts: keyTexts })
      return all
    } catch (error) {
      call.abort()
      if (!isUnimplemented(error)) throw error
      this.#warnOfJwt()
      return await this.#appendKeys([key], cause)
    } finally {
      timer.cancel()
    }
  }

  async #syncRoots(upstream: readonly X509Authority[]): Promise<void> {
    const { bundle, log, onTainted } = this.#options
    let synced: SyncedRoots | undefined
    await bundle.update((current) => {
      synced = syncedWithUpstream(current.x509Authorities, upstream)
      const { x509Authorities } = synced
      return x509Authorities && { ...current, x509Authorities }
    }, upstreamCause)
    for (const id of synced?.revoked ?? [])
      log.info('X.509 authority revoked', { subject_key_id: id })
    const fresh = (synced?.newlyTainted ?? []).filter(
      (root) => !this.#reported.has(subjectKeyId(root)),
    )
    for (const root of fresh) {
      const id = subjectKeyId(root)
      this.#reported.add(id)
      log.info('X.509 authority tainted', { subject_key_id: id })
    }
    if (fresh.length > 0) onTainted(fresh)
  }

  async #appendKeys(keys: readonly JwtAuthority[], cause: Cause): Promise<readonly JwtAuthority[]> {
    return (await this.#options.bundle.append({ jwt: keys }, cause)).jwtAuthorities
  }

  #warnOfJwt(): void {
    if (this.#hasWarnedOfJwt) return
    this.#hasWarnedOfJwt = true
    const text =
      'UpstreamAuthority plugin does not support JWT-SVIDs. Workloads managed by this server may have trouble communicating with workloads outside this cluster when using JWT-SVIDs.'
    this.#options.log.warn(text, { plugin_name: this.#options.plugin.name })
  }

  async #ask<Answer>(question: (plugin: UpstreamAuthority) => Promise<Answer>): Promise<Answer> {
    const { plugin } = this.#options
    try {
      return await question(plugin)
    } catch (cause) {
      throw named(plugin, cause)
    }
  }
}

const upstreamCause: Cause = caCause('upstream authority bundle')

function named(plugin: UpstreamAuthority, cause: unknown): CaError {
  const message = `upstreamauthority(${plugin.name}): ${messageOf(cause)}`
  return new CaError('ERR_UPSTREAM_CALL', message, { cause })
}

function isUnimplemented(error: unknown): boolean {
  const cause = error instanceof CaError ? error.cause : error
  return isSpiffeError(cause) && cause.kind === 'unimplemented'
}

/** Waits for an answer, but no longer than the signal lets it: a plugin may not listen to it. */
async function untilAborted<Answer>(
  signal: AbortSignal,
  question: () => Promise<Answer>,
): Promise<Answer> {
  let onAbort = (): void => {}
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
  })
  try {
    return await Promise.race([question(), aborted])
  } catch (error) {
    throw signal.aborted ? signal.reason : error
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
