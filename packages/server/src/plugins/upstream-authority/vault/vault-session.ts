import { type Clock, sleep } from '@mini-spire/runtime/clock'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { messageOf } from '@mini-spire/sdk/errors'
import type { VaultAuth } from './vault-config.ts'
import type { VaultHttp } from './vault-http.ts'
import { logIn, renew, type VaultToken } from './vault-login.ts'

/** Options of {@link VaultSession}. */
export interface VaultSessionOptions {
  readonly vault: VaultHttp
  readonly auth: VaultAuth
  readonly clock: Clock
  readonly log: Logger
}

/** How much of a lease has passed when it is renewed. */
const renewedAt = 2 / 3
/** A failed renewal is tried again after this part of what is left, but not sooner than after a second. */
const retriedAfter = 1 / 3
const soonestMs = 1000
const loginNext = 'Going to re-authenticate to the Vault at the next signing request time'

/**
 * The token that this server speaks to Vault with: had by the first call, kept alive while Vault renews it, and had anew by the
 * next call after its end.
 */
export class VaultSession implements AsyncDisposable {
  readonly #options: VaultSessionOptions
  readonly #closing = new AbortController()
  #token: VaultToken | undefined
  #renewing: Promise<void> = Promise.resolve()

  constructor(options: VaultSessionOptions) {
    this.#options = options
  }

  /** @throws {UpstreamAuthorityError} when Vault does not let this server in */
  async token(signal: AbortSignal): Promise<string> {
    if (this.#token) return this.#token.token
    const { vault, auth, log } = this.#options
    const fresh = await logIn(vault, auth, signal)
    if (fresh.leaseSeconds === 0) {
      log.debug('Token will never expire')
      this.#token = fresh
    } else if (fresh.isRenewable) {
      log.debug('Token will be renewed')
      this.#token = fresh
      this.#renewing = this.#keepAlive(fresh)
    } else {
      // It may have expired by the next call, so each call logs in.
      log.debug('Token is not renewable')
      log.debug(loginNext)
    }
    return fresh.token
  }

  /** Lets go of the token: Vault does not take it any more. */
  forget(): void {
    this.#token = undefined
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    await this.#renewing
  }

  async #keepAlive(first: VaultToken): Promise<void> {
    const { clock, log, vault } = this.#options
    const { signal } = this.#closing
    let lease = first
    let endsAtMs = clock.nowMs() + lease.leaseSeconds * 1000
    let delayMs = lease.leaseSeconds * 1000 * renewedAt
    while (await sleep(clock, Math.max(delayMs, soonestMs), signal)) {
      if (this.#token?.token !== first.token) return
      if (clock.nowMs() >= endsAtMs) break
      try {
        lease = await renew(vault, lease, signal)
        endsAtMs = clock.nowMs() + lease.leaseSeconds * 1000
        delayMs = lease.leaseSeconds * 1000 * renewedAt
        log.debug('Successfully renew auth token', { lease_duration: lease.leaseSeconds })
        if (!lease.isRenewable || lease.leaseSeconds === 0) break
      } catch (error) {
        if (signal.aborted) return
        log.error('Failed to renew auth token', { err: messageOf(error) })
        delayMs = (endsAtMs - clock.nowMs()) * retriedAfter
      }
    }
    if (signal.aborted) return
    log.debug(loginNext)
    if (this.#token?.token === first.token) this.#token = undefined
  }
}
