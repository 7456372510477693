import type { JwtBundle, JwtBundleSet, JwtBundleSource } from '../bundle/index.ts'
import type { JwtSvid } from '../jwt-svid/index.ts'
import type { TrustDomain } from '../spiffe-id/index.ts'
import {
  type CallOptions,
  type JwtSvidRequest,
  WorkloadApiClient,
  type WorkloadApiClientOptions,
} from './client.ts'
import { Following } from './following.ts'

/** Options of a {@link JwtSource}. */
export interface JwtSourceOptions extends WorkloadApiClientOptions {
  /** A client to share; the source does not close it. */
  readonly client?: WorkloadApiClient | undefined
  /** Told of failures the source survives. */
  readonly onError?: ((error: unknown) => void) | undefined
  /** Gives up waiting for the first keys. */
  readonly signal?: AbortSignal | undefined
}

/**
 * JWT-SVIDs for this workload, and the keys to verify those of its peers, always the newest. Tokens are asked for each time:
 * the agent keeps them until half their life has passed.
 *
 * @example
 * await using source = await JwtSource.create()
 * const { token } = await source.fetchJwtSvid({ audience: ['spiffe://example.org/db'] })
 */
export class JwtSource implements JwtBundleSource, AsyncDisposable {
  readonly #client: WorkloadApiClient
  readonly #following: Following<JwtBundleSet>
  readonly #closeClient: () => void

  private constructor(client: WorkloadApiClient, isShared: boolean) {
    this.#client = client
    this.#following = new Following('jwtsource')
    this.#closeClient = isShared ? () => {} : () => client.close()
  }

  /**
   * Waits for the first keys.
   *
   * @throws {WorkloadApiCallError} when asking again is pointless
   */
  static async create(options: JwtSourceOptions = {}): Promise<JwtSource> {
    const client = options.client ?? new WorkloadApiClient(options)
    const source = new JwtSource(client, options.client !== undefined)
    try {
      const { signal } = source.#following
      await source.#following.start(
        client.watchJwtBundles({ signal, onError: options.onError }),
        options.signal,
      )
    } catch (error) {
      source.close()
      throw error
    }
    return source
  }

  /** @throws {WorkloadApiError} `ERR_SOURCE_CLOSED`; {@link WorkloadApiCallError} when the agent refuses */
  async fetchJwtSvid(request: JwtSvidRequest, options: CallOptions = {}): Promise<JwtSvid> {
    this.#following.get()
    return this.#client.fetchJwtSvid(request, options)
  }

  findJwtBundle(trustDomain: TrustDomain): JwtBundle | undefined {
    return this.#following.get().find(trustDomain)
  }

  /** Calls back when keys have changed; the result stops that. */
  onUpdate(listener: () => void): () => void {
    return this.#following.onUpdate(listener)
  }

  close(): void {
    this.#following.close()
    this.#closeClient()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
  }
}
