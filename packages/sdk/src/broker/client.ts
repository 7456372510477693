import type { JwtBundleSet, X509BundleSet } from '../bundle/index.ts'
import { GrpcStatus } from '../grpc-status.ts'
import type { JwtSvid } from '../jwt-svid/index.ts'
import {
  APIService as Api,
  type SubscribeToJWTBundlesResponse,
  type SubscribeToX509BundlesResponse,
  type SubscribeToX509SVIDResponse,
} from '../proto/spiffe/broker/api.ts'
import { SecuredChannelCredentials } from '../secured-channel.ts'
import { type PeerCheck, secureTls, TlsError } from '../tls/index.ts'
import { WorkloadChannel } from '../workload-api/channel.ts'
import {
  jwtBundlesFromProto,
  jwtSvidsFromProto,
  x509BundlesFromProto,
  x509SvidsFromProto,
} from '../workload-api/convert.ts'
import type { Backoff, CallOptions, JwtSvidRequest, WatchOptions } from '../workload-api/index.ts'
import { firstOf, watch } from '../workload-api/watch.ts'
import type { X509Svid, X509SvidSource } from '../x509-svid/index.ts'
import { brokerTarget, defaultBrokerAddress } from './broker-address.ts'
import { referenceToProto, type WorkloadReference } from './convert.ts'

/** Options of a {@link BrokerClient}: who the broker is, and who the agent has to be. */
export interface BrokerClientOptions extends PeerCheck {
  /** `unix:///…` or `tcp://host:port`. @default the environment variable `SPIFFE_BROKER_SOCKET` */
  readonly address?: string | undefined
  /** The broker's own identity, asked anew for each connection; an `X509Source` follows its rotation. */
  readonly svids: X509SvidSource
  /** How long watches wait before they try again. @default linearBackoff */
  readonly backoff?: Backoff | undefined
}

/** Everything X.509 of a workload: its SVIDs, first one first, none while it has no identity, and the roots it may verify peers with. */
export interface WorkloadX509 {
  readonly svids: readonly X509Svid[]
  readonly bundles: X509BundleSet
}

/** What ends a watch: a workload that is gone does not come back. */
const finalStatuses: ReadonlySet<number> = new Set<number>([
  GrpcStatus.Canceled,
  GrpcStatus.InvalidArgument,
  GrpcStatus.NotFound,
  GrpcStatus.Unimplemented,
])

/**
 * A broker's client of the SPIFFE Broker API: gets what is the own of workloads that it acts for.
 *
 * What it gets is for that workload only, and to be dropped when a watch fails with `not-found` [SPIFFE Broker API 4.2, 4.9].
 * Nothing is dialled before the first call. Calls fail with {@link WorkloadApiCallError}.
 *
 * @example
 * const source = await X509Source.create()
 * using client = new BrokerClient({ svids: source, bundles: source, authorize: authorizeMemberOf(domain) })
 * const { svids } = await client.fetchX509({ kind: 'process', pid })
 */
export class BrokerClient implements Disposable {
  readonly #channel: WorkloadChannel
  readonly #backoff: Backoff | undefined

  /** @throws {WorkloadApiError} `ERR_ENDPOINT_ADDRESS` for an address that is none, or none at all */
  constructor(options: BrokerClientOptions) {
    this.#channel = new WorkloadChannel(brokerTarget(options.address ?? defaultBrokerAddress()), {
      credentials: credentialsFor(options),
      securityHeader: 'broker.spiffe.io',
    })
    this.#backoff = options.backoff
  }

  /** The X509-SVIDs of a workload and the roots it may verify peers with, as they are now. */
  fetchX509(workload: WorkloadReference, options: CallOptions = {}): Promise<WorkloadX509> {
    return firstOf(this.#x509Svids(workload, options.signal), x509SvidsFromProto)
  }

  /** The roots of every trust domain a workload may verify. */
  fetchX509Bundles(workload: WorkloadReference, options: CallOptions = {}): Promise<X509BundleSet> {
    return firstOf(this.#x509Bundles(workload, options.signal), x509BundlesFromProto)
  }

  /** A JWT-SVID for an audience per identity of a workload, or of the one that is asked for. */
  async fetchJwtSvids(
    workload: WorkloadReference,
    request: JwtSvidRequest,
    options: CallOptions = {},
  ): Promise<readonly [JwtSvid, ...JwtSvid[]]> {
    const { audience, subject } = request
    const asked = {
      reference: referenceToProto(workload),
      audience: [...audience],
      spiffeId: subject?.toString() ?? '',
    }
    return jwtSvidsFromProto(await this.#channel.unary(Api.fetchJwtsvid, asked, options.signal))
  }

  /** The keys JWT-SVIDs of every trust domain a workload may verify are signed with. */
  fetchJwtBundles(workload: WorkloadReference, options: CallOptions = {}): Promise<JwtBundleSet> {
    return firstOf(this.#jwtBundles(workload, options.signal), jwtBundlesFromProto)
  }

  /** Every state of a workload's X.509 side from now on, whole each time. Reconnects by itself, until the workload is gone. */
  watchX509(workload: WorkloadReference, options: WatchOptions = {}): AsyncGenerator<WorkloadX509> {
    return this.#watch((signal) => this.#x509Svids(workload, signal), x509SvidsFromProto, options)
  }

  /** Every state of the roots a workload may verify peers with. */
  watchX509Bundles(
    workload: WorkloadReference,
    options: WatchOptions = {},
  ): AsyncGenerator<X509BundleSet> {
    return this.#watch(
      (signal) => this.#x509Bundles(workload, signal),
      x509BundlesFromProto,
      options,
    )
  }

  /** Every state of the JWT keys of a workload. */
  watchJwtBundles(
    workload: WorkloadReference,
    options: WatchOptions = {},
  ): AsyncGenerator<JwtBundleSet> {
    return this.#watch((signal) => this.#jwtBundles(workload, signal), jwtBundlesFromProto, options)
  }

  /** Ends every call and watch. */
  close(): void {
    this.#channel.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #watch<Message, Value>(
    open: (signal: AbortSignal) => AsyncIterable<Message>,
    read: (message: Message) => Value,
    options: WatchOptions,
  ): AsyncGenerator<Value> {
    return watch(open, read, { backoff: this.#backoff, ...options }, finalStatuses)
  }

  #x509Svids(
    workload: WorkloadReference,
    signal?: AbortSignal,
  ): AsyncGenerator<SubscribeToX509SVIDResponse> {
    const request = { reference: referenceToProto(workload) }
    return this.#channel.stream(Api.subscribeToX509Svid, request, signal)
  }

  #x509Bundles(
    workload: WorkloadReference,
    signal?: AbortSignal,
  ): AsyncGenerator<SubscribeToX509BundlesResponse> {
    const request = { reference: referenceToProto(workload) }
    return this.#channel.stream(Api.subscribeToX509Bundles, request, signal)
  }

  #jwtBundles(
    workload: WorkloadReference,
    signal?: AbortSignal,
  ): AsyncGenerator<SubscribeToJWTBundlesResponse> {
    const request = { reference: referenceToProto(workload) }
    return this.#channel.stream(Api.subscribeToJwtBundles, request, signal)
  }
}

function credentialsFor({ svids, ...check }: BrokerClientOptions): SecuredChannelCredentials {
  return new SecuredChannelCredentials(async (connection) => {
    const { socket } = await secureTls(connection, { ...check, svids, alpnProtocols: ['h2'] })
    socket.on('error', () => {})
    if (socket.alpnProtocol === 'h2') return socket
    socket.destroy()
    throw new TlsError('ERR_TLS_CONNECT', 'the broker endpoint does not speak HTTP/2')
  })
}
