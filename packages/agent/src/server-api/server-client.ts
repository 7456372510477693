import { createClient, type GrpcChannel } from '@mini-spire/runtime/grpc/client'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { PushService } from '@mini-spire/runtime/proto/minispire/api/server/push/v1/push'
import { AgentService } from '@mini-spire/runtime/proto/spire/api/server/agent/v1/agent'
import { BundleService } from '@mini-spire/runtime/proto/spire/api/server/bundle/v1/bundle'
import { EntryService } from '@mini-spire/runtime/proto/spire/api/server/entry/v1/entry'
import { SVIDService } from '@mini-spire/runtime/proto/spire/api/server/svid/v1/svid'
import { isSpiffeError, messageOf } from '@mini-spire/sdk/errors'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import type { AgentEntry } from '../model/agent-entry.ts'
import type { TrustBundle } from '../model/trust-bundle.ts'
import { bundleFromProto, entriesFromProto, entryMask, jwtSvidFromProto } from './convert.ts'
import { syncEntries } from './entry-sync-client.ts'
import { failedTo } from './failed.ts'
import { pushMessages, pushRequests } from './push-convert.ts'
import type { EntrySync, PushLink, ServerApi, SignedJwtSvid, SignedX509Svid } from './server-api.ts'
import { ServerApiError } from './server-api-error.ts'
import type { ServerLink } from './server-link.ts'

/** How long one call may take, a whole synchronisation included. */
const timeoutMs = 30_000
/** As operators know it from SPIRE, whichever call does it: a banned agent's log is searched for it. */
const fetchingEntries = 'fetch authorized entries'

/** Options of {@link ServerClient}. */
export interface ServerClientOptions {
  /** Opens a channel that presents the agent's SVID. */
  readonly open: () => ServerLink
  readonly log: Logger
}

/** A connection in use. */
interface Connection {
  readonly channel: GrpcChannel
  readonly isTrusted: () => boolean
  calls: number
  /** The server has said that it does not push. */
  isWithoutPush: boolean
  /** Aborts when the connection is let go. */
  readonly retiring: AbortController
}

/**
 * The calls with the agent's SVID, all on one connection. After a failure of the connection, and on {@link ServerClient.release}
 * (the SVID has changed) or {@link ServerClient.releaseUntrusted}, the next call opens another; calls under way on the old one finish.
 */
export class ServerClient implements ServerApi, Disposable {
  readonly #options: ServerClientOptions
  #connection: Connection | undefined

  constructor(options: ServerClientOptions) {
    this.#options = options
  }

  async renew(csr: Uint8Array, signal: AbortSignal): Promise<readonly Uint8Array[]> {
    const { svid } = await this.#call('renew agent', (channel) =>
      createClient(AgentService, channel).renewAgent({ params: { csr } }, { signal, timeoutMs }),
    )
    if (!svid || svid.certChain.length === 0)
      throw new ServerApiError('ERR_SERVER_ANSWER', 'renew agent response missing SVID')
    return svid.certChain
  }

  async postStatus(agentVersion: string, signal: AbortSignal): Promise<void> {
    await this.#call('post status', (channel) =>
      createClient(AgentService, channel).postStatus(
        { currentBundleSerial: 0n, agentVersion },
        { signal, timeoutMs },
      ),
    )
  }

  syncEntries<T>(signal: AbortSignal, use: (sync: EntrySync) => Promise<T>): Promise<T> {
    return this.#fetchEntries((channel) =>
      syncEntries(
        (requests) =>
          createClient(EntryService, channel).syncAuthorizedEntries(requests, {
            signal,
            timeoutMs,
          }),
        this.#options.log,
        use,
      ),
    )
  }

  get offersPush(): boolean {
    return this.#connection?.isWithoutPush !== true
  }

  push<T>(use: (link: PushLink) => Promise<T>): Promise<T> {
    return this.#call(fetchingEntries, async (channel, connection) => {
      const service = createClient(PushService, channel)
      try {
        return await use({
          retired: connection.retiring.signal,
          messages: (steps, signal) =>
            pushMessages(service.subscribe(pushRequests(steps), { signal }), this.#options.log),
        })
      } catch (error) {
        if (isSpiffeError(error) && error.kind === 'unimplemented') connection.isWithoutPush = true
        throw error
      }
    })
  }

  async getAuthorizedEntries(signal: AbortSignal): Promise<readonly AgentEntry[]> {
    const { entries } = await this.#fetchEntries((channel) =>
      createClient(EntryService, channel).getAuthorizedEntries(
        { outputMask: entryMask },
        { signal, timeoutMs },
      ),
    )
    return entriesFromProto(entries, (entry, error) =>
      this.#options.log.warn('Received malformed entry from SPIRE server', { entry, error }),
    )
  }

  async getBundle(signal: AbortSignal): Promise<TrustBundle> {
    const bundle = await this.#call('fetch bundle', (channel) =>
      createClient(BundleService, channel).getBundle(
        { outputMask: undefined },
        { signal, timeoutMs },
      ),
    )
    return bundleFromProto(bundle)
  }

  async findFederatedBundle(
    { name }: TrustDomain,
    signal: AbortSignal,
  ): Promise<TrustBundle | undefined> {
    const bundle = await this.#call(`fetch federated bundle "${name}"`, (channel) =>
      createClient(BundleService, channel)
        .getFederatedBundle({ trustDomain: name, outputMask: undefined }, { signal, timeoutMs })
        .catch((error: unknown) => {
          if (isSpiffeError(error) && error.kind === 'not-found') return undefined
          throw error
        }),
    )
    return bundle && bundleFromProto(bundle)
  }

  async newX509Svids(
    requests: readonly { readonly entryId: string; readonly csr: Uint8Array }[],
    signal: AbortSignal,
  ): Promise<readonly SignedX509Svid[]> {
    const { results } = await this.#call('sign X509-SVIDs', (channel) =>
      createClient(SVIDService, channel).batchNewX509Svid(
        { params: [...requests] },
        { signal, timeoutMs },
      ),
    )
    return requests.map(({ entryId }, index) => {
      const { status, svid } = results[index] ?? { status: undefined, svid: undefined }
      const isSigned = (status?.code ?? 0) === 0 && svid !== undefined && svid.certChain.length > 0
      return {
        entryId,
        chain: isSigned ? svid.certChain : undefined,
        refusal: isSigned ? '' : status?.message || 'no SVID in the response',
      }
    })
  }

  async newJwtSvid(
    request: { readonly entryId: string; readonly audience: readonly string[] },
    options: { readonly signal: AbortSignal; readonly timeoutMs: number },
  ): Promise<SignedJwtSvid> {
    const { entryId, audience } = request
    const { svid } = await this.#call('fetch JWT SVID', (channel) =>
      createClient(SVIDService, channel).newJwtsvid({ entryId, audience: [...audience] }, options),
    )
    return jwtSvidFromProto(svid)
  }

  /** Lets the connection go: the next call opens one with the SVID of that moment. */
  release(): void {
    const connection = this.#connection
    this.#connection = undefined
    if (connection?.calls === 0) connection.channel.close()
    connection?.retiring.abort()
  }

  releaseUntrusted(): void {
    if (this.#connection?.isTrusted() === false) this.release()
  }

  [Symbol.dispose](): void {
    this.release()
  }

  #fetchEntries<T>(call: (channel: GrpcChannel) => Promise<T>): Promise<T> {
    return this.#call(fetchingEntries, (channel) =>
      call(channel).catch((error: unknown) => {
        this.#options.log.error('Failed to fetch authorized entries', { error: messageOf(error) })
        throw error
      }),
    )
  }

  async #call<T>(
    what: string,
    call: (channel: GrpcChannel, connection: Connection) => Promise<T>,
  ): Promise<T> {
    this.#connection ??= {
      ...this.#options.open(),
      calls: 0,
      isWithoutPush: false,
      retiring: new AbortController(),
    }
    const connection = this.#connection
    connection.calls++
    try {
      return await call(connection.channel, connection)
    } catch (error) {
      if (this.#connection === connection && isConnectionLost(error)) this.#connection = undefined
      return failedTo(what)(error)
    } finally {
      connection.calls--
      if (connection.calls === 0 && this.#connection !== connection) connection.channel.close()
    }
  }
}

function isConnectionLost(error: unknown): boolean {
  return isSpiffeError(error) && (error.kind === 'unavailable' || error.kind === 'unauthenticated')
}
