import type { JsonObject } from '../bundle/strict-json.ts'
import {
  ask,
  checkOption,
  httpFor,
  parseEndpoint,
  type ReachOptions,
  type RenewalOptions,
  readLifetime,
  readMember,
  readObject,
  readText,
} from '../exchange/index.ts'
import type { HttpClient } from '../http/index.ts'
import type { X509Svid } from '../x509-svid/index.ts'
import type { VaultToken } from './vault-token.ts'

/** Where Vault is. */
export interface VaultAddress extends ReachOptions {
  /** `https://vault.example.org:8200` */
  readonly address: string
  /** A namespace of Vault Enterprise or HCP. */
  readonly namespace?: string | undefined
}

/** What Vault said of a lease. */
export interface VaultLease {
  readonly token: VaultToken
  readonly leaseMs: number
}

const who = 'Vault'
/** Segments of a path; none begins with a dot, which could lead elsewhere. */
const pathPattern = /^[\w-][\w.-]*(\/[\w-][\w.-]*)*\/?$/

/** The few requests of Vault's API that a login needs. */
export class VaultRequests {
  readonly #base: URL
  readonly #options: VaultAddress & RenewalOptions
  readonly #http: HttpClient

  /** @throws {ExchangeError} `ERR_EXCHANGE_OPTION` */
  constructor(options: VaultAddress & RenewalOptions) {
    this.#base = parseEndpoint(options.address, 'address')
    if (options.namespace !== undefined) checkOption('namespace', options.namespace, pathPattern)
    this.#options = options
    this.#http = httpFor(options)
  }

  async login(
    mount: string,
    body: JsonObject,
    nowMs: number,
    options: { readonly signal: AbortSignal; readonly svid?: X509Svid },
  ): Promise<VaultLease> {
    const path = `auth/${checkMount(mount)}/login`
    return readLease(await this.#post(path, body, options), nowMs)
  }

  /** Asks for another lease of the same length. */
  async renew(
    { token }: VaultToken,
    nowMs: number,
    options: { readonly signal: AbortSignal; readonly svid?: X509Svid },
  ): Promise<VaultLease> {
    return readLease(await this.#post('auth/token/renew-self', {}, { ...options, token }), nowMs)
  }

  async revoke({ token }: VaultToken, signal: AbortSignal | undefined): Promise<void> {
    await this.#post('auth/token/revoke-self', {}, { token, signal })
  }

  async #post(
    path: string,
    body: JsonObject,
    options: {
      readonly signal: AbortSignal | undefined
      readonly svid?: X509Svid
      readonly token?: string
    },
  ): Promise<string> {
    const { namespace, roots } = this.#options
    const { signal, svid, token } = options
    const base = this.#base.pathname.replace(/\/$/, '')
    return await ask(this.#http, {
      who,
      url: new URL(`${base}/v1/${path}`, this.#base).href,
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'x-vault-request': 'true',
        ...(namespace !== undefined && { 'x-vault-namespace': namespace }),
        ...(token !== undefined && { 'x-vault-token': token }),
      },
      body: JSON.stringify(body),
      ...(svid && {
        clientCertificate: { chain: svid.marshalChainPem(), key: svid.marshalKeyPem() },
      }),
      ...(roots && { roots }),
      ...(signal && { signal }),
    })
  }
}

/** Where an auth method is mounted. @throws {ExchangeError} `ERR_EXCHANGE_OPTION` */
export function checkMount(mount: string): string {
  return checkOption('mount', mount, pathPattern).replace(/\/$/, '')
}

function readLease(text: string, nowMs: number): VaultLease {
  const auth = readMember(who, readObject(who, text), 'auth')
  const expiresAt = readLifetime(who, auth, 'lease_duration', nowMs)
  const read = { expiresAt, isRenewable: auth['renewable'] === true }
  const value = readText(who, auth, 'client_token')
  const token = Object.defineProperty(read, 'token', { value }) as VaultToken
  return { token, leaseMs: expiresAt.getTime() - nowMs }
}
