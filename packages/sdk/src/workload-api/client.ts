import type { JwtBundleSet, X509BundleSet } from '../bundle/index.ts'
import { type JwtSvid, parseJwtSvidInsecure } from '../jwt-svid/index.ts'
import {
  SpiffeWorkloadAPIService as Api,
  type JWTBundlesResponse,
  type X509BundlesResponse,
  type X509SVIDResponse,
} from '../proto/spiffe/workload/workload.ts'
import type { SpiffeId } from '../spiffe-id/index.ts'
import type { X509Svid } from '../x509-svid/index.ts'
import { WorkloadChannel } from './channel.ts'
import {
  jwtBundlesFromProto,
  jwtSvidsFromProto,
  type X509Context,
  x509BundlesFromProto,
  x509ContextFromProto,
} from './convert.ts'
import { defaultEndpointAddress, endpointTarget } from './endpoint-address.ts'
import { type Backoff, firstOf, type WatchOptions, watch } from './watch.ts'

/** Options of a {@link WorkloadApiClient}. */
export interface WorkloadApiClientOptions {
  /** `unix:///…` or `tcp://ip:port`. @default the environment variable `SPIFFE_ENDPOINT_SOCKET` */
  readonly address?: string | undefined
  /** How long watches wait before they try again. @default linearBackoff */
  readonly backoff?: Backoff | undefined
}

/** Options of a single call. */
export interface CallOptions {
  /** Gives up when it aborts. */
  readonly signal?: AbortSignal | undefined
}

/** Which JWT-SVID is asked for. */
export interface JwtSvidRequest {
  /** At least one; the token is for each of them. */
  readonly audience: readonly string[]
  /** One of the workload's identities. @default the agent's first */
  readonly subject?: SpiffeId | undefined
}

/**
 * A workload's client of the SPIFFE Workload API.
 *
 * Nothing is dialled before the first call. Calls fail with {@link WorkloadApiCallError}; `permission-denied` means that no
 * identity is registered for this process (yet).
 *
 * @example
 * const client = new WorkloadApiClient()
 * const { svids } = await client.fetchX509Context()
 */
export class WorkloadApiClient implements Disposable {
  readonly #channel: WorkloadChannel
  readonly #backoff: Backoff | undefined

  /** @throws {WorkloadApiError} `ERR_ENDPOINT_ADDRESS` for an address that is none, or none at all */
  constructor(options: WorkloadApiClientOptions = {}) {
    this.#channel = new WorkloadChannel(endpointTarget(options.address ?? defaultEndpointAddress()))
    this.#backoff = options.backoff
  }

  /** The default X509-SVID: the first one. */
  async fetchX509Svid(options: CallOptions = {}): Promise<X509Svid> {
    return (await this.fetchX509Context(options)).svids[0]
  }

  /** All X509-SVIDs and the roots to verify peers with, as they are now. */
  fetchX509Context(options: CallOptions = {}): Promise<X509Context> {
    return firstOf(this.#x509Svids(options.signal), x509ContextFromProto)
  }

  /** The roots of every trust domain this workload may verify; it needs no SVID of its own for that. */
  fetchX509Bundles(options: CallOptions = {}): Promise<X509BundleSet> {
    return firstOf(this.#x509Bundles(options.signal), x509BundlesFromProto)
  }

  /** A JWT-SVID for an audience: the first one the agent gives. */
  async fetchJwtSvid(request: JwtSvidRequest, options: CallOptions = {}): Promise<JwtSvid> {
    return (await this.fetchJwtSvids(request, options))[0]
  }

  /** A JWT-SVID for an audience per identity of this workload. */
  async fetchJwtSvids(
    request: JwtSvidRequest,
    options: CallOptions = {},
  ): Promise<readonly [JwtSvid, ...JwtSvid[]]> {
    const { audience, subject } = request
    const asked = { audience: [...audience], spiffeId: subject?.toString() ?? '' }
    return jwtSvidsFromProto(await this.#channel.unary(Api.fetchJwtsvid, asked, options.signal))
  }

  /** The keys JWT-SVIDs of every trust domain this workload may verify are signed with. */
  fetchJwtBundles(options: CallOptions = {}): Promise<JwtBundleSet> {
    return firstOf(this.#jwtBundles(options.signal), jwtBundlesFromProto)
  }

  /**
   * Has the agent verify a JWT-SVID, and returns what it says of it.
   *
   * @throws {WorkloadApiCallError} `invalid-argument` for a token that must not be accepted
   */
  async validateJwtSvid(
    token: string,
    audience: string,
    options: CallOptions = {},
  ): Promise<JwtSvid> {
    await this.#channel.unary(Api.validateJwtsvid, { audience, svid: token }, options.signal)
    return parseJwtSvidInsecure(token)
  }

  /** Every state of the X.509 side from now on, whole each time. Reconnects by itself; see {@link watch}. */
  watchX509Context(options: WatchOptions = {}): AsyncGenerator<X509Context> {
    return watch((signal) => this.#x509Svids(signal), x509ContextFromProto, this.#watching(options))
  }

  /** Every state of the roots from now on. */
  watchX509Bundles(options: WatchOptions = {}): AsyncGenerator<X509BundleSet> {
    return watch(
      (signal) => this.#x509Bundles(signal),
      x509BundlesFromProto,
      this.#watching(options),
    )
  }

  /** Every state of the JWT keys from now on. */
  watchJwtBundles(options: WatchOptions = {}): AsyncGenerator<JwtBundleSet> {
    return watch((signal) => this.#jwtBundles(signal), jwtBundlesFromProto, this.#watching(options))
  }

  /** Ends every call and watch. */
  close(): void {
    this.#channel.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #watching(options: WatchOptions): WatchOptions {
    return { backoff: this.#backoff, ...options }
  }

  #x509Svids(signal?: AbortSignal): AsyncGenerator<X509SVIDResponse> {
    return this.#channel.stream(Api.fetchX509Svid, {}, signal)
  }

  #x509Bundles(signal?: AbortSignal): AsyncGenerator<X509BundlesResponse> {
    return this.#channel.stream(Api.fetchX509Bundles, {}, signal)
  }

  #jwtBundles(signal?: AbortSignal): AsyncGenerator<JWTBundlesResponse> {
    return this.#channel.stream(Api.fetchJwtBundles, {}, signal)
  }
}
