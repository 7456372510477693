import { type Clock, systemClock } from '../clock.ts'
import { isSpiffeError } from '../errors.ts'
import {
  checkOption,
  fetchSubjectToken,
  getSubjectSvid,
  type Renewal,
  type RenewalOptions,
  RenewedCredential,
  type SubjectOptions,
  type WaitOptions,
} from '../exchange/index.ts'
import type { X509Svid, X509SvidSource } from '../x509-svid/index.ts'
import { checkMount, type VaultAddress, type VaultLease, VaultRequests } from './vault-requests.ts'
import type { VaultToken } from './vault-token.ts'

/** Login by Vault's JWT auth method. */
export interface VaultJwtAuth extends SubjectOptions {
  readonly kind: 'jwt'
  readonly role: string
  /** One of the role's bound audiences. */
  readonly audience: string
  /** Where the auth method is mounted. @default jwt */
  readonly mount?: string | undefined
}

/** Login by Vault's TLS certificate auth method. */
export interface VaultCertAuth {
  readonly kind: 'cert'
  readonly svids: X509SvidSource
  /** The role; Vault looks for one that fits when there is none. */
  readonly role?: string | undefined
  /** Where the auth method is mounted. @default cert */
  readonly mount?: string | undefined
}

/** Options of {@link VaultLogin}. */
export interface VaultLoginOptions extends VaultAddress, RenewalOptions {
  readonly auth: VaultJwtAuth | VaultCertAuth
}

interface Session extends VaultLease {
  readonly expiresAt: Date
  /** How long the first lease was: a renewed one that is much shorter nears the end of what Vault allows. */
  readonly firstLeaseMs: number
  /** The certificate the login was made with; Vault renews with no other. */
  readonly svid: X509Svid | undefined
}

const rolePattern = /^[\w.-]{1,128}$/

/**
 * A token of HashiCorp Vault (or OpenBao) for an SVID, kept good: its lease is renewed ahead of its end, and when that is
 * not to be had any more, the workload logs in anew.
 *
 * A lease is renewed only while the workload still has its identity, so that a token does not outlive it by more than one lease.
 *
 * @example
 * await using svids = await JwtSource.create()
 * using vault = new VaultLogin({
 *   address: 'https://vault.example.org:8200',
 *   auth: { kind: 'jwt', svids, role: 'web', audience: 'https://vault.example.org:8200' },
 * })
 * const { token } = await vault.getToken()
 */
export class VaultLogin implements Disposable {
  readonly #options: VaultLoginOptions
  readonly #clock: Clock
  readonly #requests: VaultRequests
  readonly #held: RenewedCredential<Session>
  #last: VaultToken | undefined

  /** @throws {ExchangeError} `ERR_EXCHANGE_OPTION` */
  constructor(options: VaultLoginOptions) {
    const { role, mount } = options.auth
    if (mount !== undefined) checkMount(mount)
    if (role !== undefined) checkOption('role', role, rolePattern)
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#requests = new VaultRequests(options)
    this.#held = new RenewedCredential((renewal) => this.#next(renewal), options)
  }

  /** @throws {ExchangeError} when Vault gives none and that of before has ended */
  async getToken(options?: WaitOptions): Promise<VaultToken> {
    return (await this.#held.get(options)).token
  }

  /** Takes the token back, and closes this. @throws {ExchangeError} when Vault was not told */
  async revoke({ signal }: WaitOptions = {}): Promise<void> {
    const last = this.#last
    this.close()
    if (last) await this.#requests.revoke(last, signal)
  }

  /** Forgets the token; Vault forgets it at the end of its lease. */
  close(): void {
    this.#last = undefined
    this.#held.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  async #next({ signal, previous }: Renewal<Session>): Promise<Session> {
    const identity = await this.#identity(signal)
    const session =
      (await this.#renewed(previous, identity.svid, signal)) ??
      (await this.#loggedIn(identity, signal))
    signal.throwIfAborted()
    this.#last = session.token
    return session
  }

  /** What proves who we are: without it nothing is renewed either. */
  async #identity(signal: AbortSignal): Promise<Identity> {
    const { auth } = this.#options
    if (auth.kind === 'cert')
      return { svid: getSubjectSvid(auth.svids, this.#clock), body: roleOf(auth) }
    const { token } = await fetchSubjectToken(auth, auth.audience, { signal, clock: this.#clock })
    return { svid: undefined, body: { ...roleOf(auth), jwt: token } }
  }

  async #loggedIn({ svid, body }: Identity, signal: AbortSignal): Promise<Session> {
    const { kind, mount = kind } = this.#options.auth
    const nowMs = this.#clock.nowMs()
    const lease = await this.#requests.login(mount, body, nowMs, { signal, ...(svid && { svid }) })
    return { ...lease, expiresAt: lease.token.expiresAt, firstLeaseMs: lease.leaseMs, svid }
  }

  async #renewed(
    previous: Session | undefined,
    svid: X509Svid | undefined,
    signal: AbortSignal,
  ): Promise<Session | undefined> {
    if (!previous?.token.isRenewable || previous.svid !== svid) return undefined
    const nowMs = this.#clock.nowMs()
    const options = { signal, ...(svid && { svid }) }
    try {
      const lease = await this.#requests.renew(previous.token, nowMs, options)
      if (lease.leaseMs < previous.firstLeaseMs / 2) return undefined
      return { ...previous, ...lease, expiresAt: lease.token.expiresAt }
    } catch (error) {
      // Vault will not have this token any more: a new one may do.
      if (isSpiffeError(error, 'ERR_EXCHANGE_REFUSED')) return undefined
      throw error
    }
  }
}

interface Identity {
  readonly svid: X509Svid | undefined
  readonly body: Readonly<Record<string, string>>
}

function roleOf(auth: VaultJwtAuth | VaultCertAuth): Readonly<Record<string, string>> {
  if (auth.role === undefined) return {}
  return auth.kind === 'cert' ? { name: auth.role } : { role: auth.role }
}
