import type { Clock } from '@mini-spire/runtime/clock'
import {
  type ClientOf,
  createClient,
  type GrpcChannel,
  openSvidChannel,
} from '@mini-spire/runtime/grpc/client'
import { BundleService } from '@mini-spire/runtime/proto/spire/api/server/bundle/v1/bundle'
import { SVIDService } from '@mini-spire/runtime/proto/spire/api/server/svid/v1/svid'
import { messageOf } from '@mini-spire/sdk/errors'
import { SpiffeId, type TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { X509Source } from '@mini-spire/sdk/workload-api'
import { verifyX509Svid } from '@mini-spire/sdk/x509-svid'
import type { JwtAuthority } from '../../../model/trust-bundle.ts'
import type { MintX509CaRequest, UpstreamBundle } from '../upstream-authority.ts'
import { UpstreamAuthorityError } from '../upstream-authority-error.ts'
import {
  bundleFromProto,
  chainFromProto,
  jwtAuthorityFromProto,
  jwtAuthorityToProto,
} from './convert.ts'
import type { UpstreamServerAddress } from './spire-config.ts'

/** How long one call may take. */
const timeoutMs = 30_000

/** Options of {@link UpstreamServerClient}. */
export interface UpstreamServerClientOptions {
  readonly server: UpstreamServerAddress
  readonly trustDomain: TrustDomain
  readonly clock: Clock
  /** Told of failures of the Workload API that are survived. */
  readonly onWorkloadApiError: (error: unknown) => void
}

/**
 * Calls to the upstream server over mutual TLS: the own identity is what the Workload API gives, and only the server of the own
 * trust domain is spoken to.
 */
export class UpstreamServerClient implements AsyncDisposable {
  readonly #source: X509Source
  readonly #channel: GrpcChannel
  readonly #svids: ClientOf<typeof SVIDService>
  readonly #bundles: ClientOf<typeof BundleService>

  private constructor(source: X509Source, channel: GrpcChannel) {
    this.#source = source
    this.#channel = channel
    this.#svids = createClient(SVIDService, channel)
    this.#bundles = createClient(BundleService, channel)
  }

  /**
   * Waits for an identity and opens the channel.
   *
   * @throws {UpstreamAuthorityError} `ERR_UPSTREAM_UNAVAILABLE` when the signal aborts, or asking again is pointless
   */
  static async open(
    options: UpstreamServerClientOptions,
    signal: AbortSignal,
  ): Promise<UpstreamServerClient> {
    const { server, trustDomain, clock, onWorkloadApiError: onError } = options
    let source: X509Source
    try {
      source = await X509Source.create({ address: server.workloadApi, onError, signal })
    } catch (cause) {
      const message = `unable to create X509Source: ${messageOf(cause)}`
      throw new UpstreamAuthorityError('ERR_UPSTREAM_UNAVAILABLE', message, { cause })
    }
    const serverId = SpiffeId.fromSegments(trustDomain, 'spire', 'server')
    const channel = openSvidChannel({
      address: server.address,
      port: server.port,
      requiresPqKem: server.requiresPqKem,
      svid: () => {
        const { privateKey: key, chain } = source.getX509Svid()
        return { key, chain: chain.map(({ raw }) => raw) }
      },
      verifyServer: (chain) => {
        const id = verifyX509Svid(chain, source, { now: clock.now() })
        if (!id.equals(serverId)) throw new Error(`unexpected ID "${id}"`)
      },
    })
    return new UpstreamServerClient(source, channel)
  }

  /** Has a CA certificate signed. @returns DER, the new CA first */
  async newDownstreamCa(
    { csr, preferredTtlSeconds: preferredTtl }: MintX509CaRequest,
    signal: AbortSignal,
  ): Promise<readonly Uint8Array[]> {
    const { caCertChain } = await attempt('unable to request a new Downstream X509CA', () =>
      this.#svids.newDownstreamX509Ca({ csr, preferredTtl }, { signal, timeoutMs }),
    )
    return chainFromProto(caCertChain)
  }

  /** @returns all JWT authorities of the upstream server */
  async publishJwtAuthority(
    key: JwtAuthority,
    signal: AbortSignal,
  ): Promise<readonly JwtAuthority[]> {
    const jwtAuthority = jwtAuthorityToProto(key)
    const { jwtAuthorities } = await attempt('failed to push JWT authority', () =>
      this.#bundles.publishJwtAuthority({ jwtAuthority }, { signal, timeoutMs }),
    )
    return jwtAuthorities.map(jwtAuthorityFromProto)
  }

  async getBundle(signal: AbortSignal): Promise<UpstreamBundle> {
    const bundle = await attempt('failed to fetch bundle from upstream server', () =>
      this.#bundles.getBundle({ outputMask: undefined }, { signal, timeoutMs }),
    )
    return bundleFromProto(bundle)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#channel.close()
    await this.#source[Symbol.asyncDispose]()
  }
}

async function attempt<Answer>(what: string, call: () => Promise<Answer>): Promise<Answer> {
  try {
    return await call()
  } catch (cause) {
    const message = `${what}: ${messageOf(cause)}`
    throw new UpstreamAuthorityError('ERR_UPSTREAM_FAILED', message, { cause })
  }
}
