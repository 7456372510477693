import type { X509Bundle, X509BundleSource } from '../bundle/index.ts'
import type { TrustDomain } from '../spiffe-id/index.ts'
import type { X509Svid, X509SvidSource } from '../x509-svid/index.ts'
import { WorkloadApiClient, type WorkloadApiClientOptions } from './client.ts'
import type { X509Context } from './convert.ts'
import { Following } from './following.ts'
import { WorkloadApiCallError, WorkloadApiError } from './workload-api-error.ts'

/** Options of an {@link X509Source}. */
export interface X509SourceOptions extends WorkloadApiClientOptions {
  /** A client to share; the source does not close it. */
  readonly client?: WorkloadApiClient | undefined
  /** Chooses among several identities. @default the first */
  readonly pickSvid?: ((svids: readonly X509Svid[]) => X509Svid) | undefined
  /** Told of failures the source survives. */
  readonly onError?: ((error: unknown) => void) | undefined
  /** Gives up waiting for the first SVID. */
  readonly signal?: AbortSignal | undefined
}

/**
 * The X509-SVID of this workload and the roots of its peers, always the newest: give it to the TLS options and rotation is
 * taken care of.
 *
 * The last state stays while the Workload API is away. When it says that this workload has no identity any more, the SVIDs are
 * gone, until there is one again.
 *
 * @example
 * await using source = await X509Source.create()
 * source.getX509Svid().spiffeId
 */
export class X509Source implements X509SvidSource, X509BundleSource, AsyncDisposable {
  readonly #following: Following<X509Context>
  readonly #pick: (svids: readonly X509Svid[]) => X509Svid
  readonly #closeClient: () => void
  /** The state that the Workload API took back, and how it said so. */
  #withdrawn: { readonly context: X509Context; readonly reason: WorkloadApiCallError } | undefined

  private constructor(
    following: Following<X509Context>,
    options: X509SourceOptions,
    closeClient: () => void,
  ) {
    this.#following = following
    this.#pick = options.pickSvid ?? ((svids) => svids[0] as X509Svid)
    this.#closeClient = closeClient
  }

  /**
   * Waits for the first SVID, for as long as it takes unless the signal says otherwise: registration may come later.
   *
   * @throws {WorkloadApiCallError} when asking again is pointless
   */
  static async create(options: X509SourceOptions = {}): Promise<X509Source> {
    const own = options.client ? undefined : new WorkloadApiClient(options)
    const client = options.client ?? own
    const following = new Following<X509Context>('x509source')
    const source = new X509Source(following, options, () => own?.close())
    try {
      const values = client?.watchX509Context({
        signal: following.signal,
        onError: (error) => {
          if (error instanceof WorkloadApiCallError && error.kind === 'permission-denied')
            source.#withdraw(error)
          options.onError?.(error)
        },
      })
      if (values) await following.start(values, options.signal)
    } catch (error) {
      source.close()
      throw error
    }
    return source
  }

  /** @throws {WorkloadApiError} `ERR_SOURCE_CLOSED`, `ERR_IDENTITY_WITHDRAWN` */
  getX509Svid(): X509Svid {
    return this.#pick(this.getX509Svids())
  }

  /** All identities of this workload, the default one first. Throws as {@link X509Source.getX509Svid}. */
  getX509Svids(): readonly X509Svid[] {
    const context = this.#following.get()
    if (this.#withdrawn?.context === context)
      throw new WorkloadApiError(
        'ERR_IDENTITY_WITHDRAWN',
        'this workload has no identity any more',
        {
          cause: this.#withdrawn.reason,
        },
      )
    return context.svids
  }

  findX509Bundle(trustDomain: TrustDomain): X509Bundle | undefined {
    return this.#following.get().bundles.find(trustDomain)
  }

  /** Calls back when SVIDs or roots have changed; the result stops that. */
  onUpdate(listener: () => void): () => void {
    return this.#following.onUpdate(listener)
  }

  /** A refusal after an SVID takes all SVIDs back; the bundles stay [Workload API 5.2.1]. */
  #withdraw(reason: WorkloadApiCallError): void {
    const context = this.#following.find()
    if (!context) return
    this.#withdrawn = { context, reason }
    this.#following.notify()
  }

  close(): void {
    this.#following.close()
    this.#closeClient()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
  }
}
