import { type Clock, sleep } from '@mini-spire/runtime/clock'
import type { Logger } from '@mini-spire/runtime/log/logger'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import type { JwtAuthority, X509Authority } from '../../../model/trust-bundle.ts'
import {
  type MintedX509Ca,
  type MintX509CaRequest,
  noUpdates,
  type PublishedJwtKeys,
  type UpstreamAuthority,
  type UpstreamBundle,
} from '../upstream-authority.ts'
import type { UpstreamServerAddress } from './spire-config.ts'
import { UpstreamServerClient } from './upstream-server-client.ts'

/** How often the upstream server is asked for its bundle. */
const pollMs = 5000

/** Options of {@link SpireUpstreamAuthority}. */
export interface SpireUpstreamAuthorityOptions {
  readonly server: UpstreamServerAddress
  readonly trustDomain: TrustDomain
  readonly clock: Clock
  readonly log: Logger
}

/**
 * An upstream authority that is a SPIRE server of the same trust domain. This server is its downstream: a registration entry
 * above, with `downstream`, names the identity that the Workload API gives to this process.
 *
 * All later changes come by following the bundle; minting and publishing answer once.
 */
export class SpireUpstreamAuthority implements UpstreamAuthority {
  readonly name = 'spire'
  readonly #options: SpireUpstreamAuthorityOptions
  #opening: Promise<UpstreamServerClient> | undefined
  readonly #closing = new AbortController()

  constructor(options: SpireUpstreamAuthorityOptions) {
    this.#options = options
  }

  async mintX509Ca(request: MintX509CaRequest, signal: AbortSignal): Promise<MintedX509Ca> {
    const server = await this.#server(signal)
    const chain = await server.newDownstreamCa(request, signal)
    // The answer has roots too, but without their tainted marks.
    const { roots } = await server.getBundle(signal)
    return { chain, roots, rootUpdates: noUpdates() }
  }

  async publishJwtKey(key: JwtAuthority, signal: AbortSignal): Promise<PublishedJwtKeys> {
    const server = await this.#server(signal)
    return { keys: await server.publishJwtAuthority(key, signal), keyUpdates: noUpdates() }
  }

  async *subscribeToLocalBundle(
    signal: AbortSignal,
  ): AsyncGenerator<UpstreamBundle, void, undefined> {
    const { clock, log } = this.#options
    const server = await this.#server(signal)
    let last = await server.getBundle(signal)
    yield last
    while (await sleep(clock, pollMs, signal)) {
      let next: UpstreamBundle
      try {
        next = await server.getBundle(signal)
      } catch (error) {
        if (!signal.aborted) log.warn('Failed to fetch bundle while polling', { error })
        continue
      }
      if (isSameBundle(last, next)) continue
      last = next
      yield next
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new Error('the server stops'))
    const opened = await this.#opening?.catch(() => undefined)
    await opened?.[Symbol.asyncDispose]()
  }

  /** One connection for everything; begun by the first call, and anew after it could not be opened. */
  async #server(signal: AbortSignal): Promise<UpstreamServerClient> {
    this.#opening ??= this.#open().catch((error: unknown) => {
      this.#opening = undefined
      throw error
    })
    return await abortable(this.#opening, signal)
  }

  #open(): Promise<UpstreamServerClient> {
    const { server, trustDomain, clock, log } = this.#options
    const onWorkloadApiError = (error: unknown): void =>
      log.warn('The Workload API that gives this server its identity has failed', { error })
    const options = { server, trustDomain, clock, onWorkloadApiError }
    return UpstreamServerClient.open(options, this.#closing.signal)
  }
}

function isSameBundle(a: UpstreamBundle, b: UpstreamBundle): boolean {
  return (
    isSameList(a.roots, b.roots, isSameRoot) &&
    isSameList(a.keys, b.keys, (one, other) => isSameKey(one, other))
  )
}

function isSameList<Item>(
  a: readonly Item[],
  b: readonly Item[],
  isSame: (one: Item, other: Item) => boolean,
): boolean {
  return (
    a.length === b.length &&
    a.every((one, index) => {
      const other = b[index]
      return other !== undefined && isSame(one, other)
    })
  )
}

function isSameRoot(a: X509Authority, b: X509Authority): boolean {
  return a.tainted === b.tainted && Buffer.compare(a.certificate, b.certificate) === 0
}

function isSameKey(a: JwtAuthority, b: JwtAuthority): boolean {
  return (
    a.keyId === b.keyId &&
    a.tainted === b.tainted &&
    a.expiresAtSeconds === b.expiresAtSeconds &&
    Buffer.compare(a.publicKey, b.publicKey) === 0
  )
}

/** Waits for something shared, but no longer than the signal lets it. */
function abortable<Value>(shared: Promise<Value>, signal: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
    shared.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
