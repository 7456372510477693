import type { Clock } from '@mini-spire/runtime/clock'
import type { CallContext, Peer } from '@mini-spire/runtime/grpc/call-context'
import type { CallHooks } from '@mini-spire/runtime/grpc/call-hooks'
import { GrpcHost } from '@mini-spire/runtime/grpc/host'
import { bindReflection } from '@mini-spire/runtime/grpc/reflection'
import type { ServiceBinding } from '@mini-spire/runtime/grpc/service'
import type { TlsCredentials, TlsSpeech } from '@mini-spire/runtime/grpc/tls-listener'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { authorizeOneOf, checkPeer } from '@mini-spire/sdk/tls'
import { pemEncode } from '@mini-spire/sdk/x509'
import type { WorkloadCache } from '../cache/workload-cache.ts'
import type { BrokerConfig } from '../config/resolved-config.ts'
import type { AgentIdentity } from '../node-attestation/agent-identity.ts'
import { ownTlsSvid, tlsBundles } from './tls-identity.ts'

/** Options of {@link BrokerEndpoint}. */
export interface BrokerEndpointOptions {
  readonly config: BrokerConfig
  readonly service: ServiceBinding<CallContext>
  readonly hooks: CallHooks<CallContext>
  /** Who the agent is: what it shows, from the next handshake on after each renewal. */
  readonly identity: Pick<AgentIdentity, 'current' | 'onChange'>
  readonly cache: Pick<WorkloadCache, 'bundles' | 'subscribeToBundles'>
  /** Speaks to nobody without a post-quantum key exchange. */
  readonly requiresPqKem: boolean
  readonly clock: Clock
  readonly log: Logger
}

/**
 * Where brokers connect: a Unix socket, a TCP address, or both, with mutual TLS on either [SPIFFE Broker Endpoint 3.1].
 *
 * Only the configured brokers get past the handshake. When the bundles change, those whom they no longer vouch for are cut off.
 */
export class BrokerEndpoint {
  readonly #options: BrokerEndpointOptions
  readonly #host: GrpcHost<CallContext>
  readonly #stopping = new AbortController()
  #closers: (() => Promise<void> | void)[] = []

  constructor(options: BrokerEndpointOptions) {
    const { service, hooks, clock, log } = options
    this.#options = options
    const services = [service, bindReflection([service])]
    this.#host = new GrpcHost({ services, hooks, clock, log })
  }

  /** @throws {ListenError} */
  async start(): Promise<void> {
    const { config, identity, log } = this.#options
    const { socketPath: path, bindAddress } = config
    const speech = this.#speech()
    const started = (network: string, address: string): void =>
      log.info('Starting SPIFFE Broker Endpoint', { network, address })
    if (path !== undefined) {
      await this.#host.listenTlsUnix({ ...speech, path, mode: 0o770, directoryMode: 0o750 })
      started('unix', path)
    }
    if (bindAddress) {
      const { host, port } = await this.#host.listenTls({ ...speech, ...bindAddress })
      started('tcp', `${host.includes(':') ? `[${host}]` : host}:${port}`)
    }
    const following = this.#followBundles()
    this.#closers = [identity.onChange(() => this.#host.updateCredentials()), () => following]
  }

  /** Cuts everything: brokers reconnect to whoever serves next. */
  async stop(): Promise<void> {
    const { log } = this.#options
    log.info('Stopping SPIFFE Broker Endpoint')
    this.#stopping.abort()
    await Promise.all([this.#host.stop(0), ...this.#closers.map((close) => close())])
    log.info('SPIFFE Broker Endpoint has stopped')
  }

  #speech(): TlsSpeech {
    const { identity, requiresPqKem } = this.#options
    return {
      credentials: () => credentialsOf(identity),
      verifyClient: (chain) => this.#verify(chain),
      requiresCertificate: true,
      requiresPqKem,
    }
  }

  #verify(chain: readonly Uint8Array[]): { readonly spiffeId: string } {
    const { config, cache, clock } = this.#options
    const { spiffeId } = checkPeer(chain, {
      bundles: tlsBundles(() => cache),
      authorize: authorizeOneOf(...config.brokers.map(({ id }) => id)),
      now: () => clock.now(),
    })
    return { spiffeId: spiffeId.toString() }
  }

  async #followBundles(): Promise<void> {
    const subscription = this.#options.cache.subscribeToBundles()
    try {
      while (await subscription.changed(this.#stopping.signal))
        this.#host.closeConnections((peer) => !this.#isTrusted(peer))
    } finally {
      subscription.close()
    }
  }

  #isTrusted(peer: Peer): boolean {
    try {
      return peer.kind === 'tls' && this.#verify(peer.chain).spiffeId === peer.spiffeId
    } catch {
      return false
    }
  }
}

function credentialsOf(identity: Pick<AgentIdentity, 'current'>): TlsCredentials {
  const svid = ownTlsSvid(identity)
  // An agent that serves has attested, and its keys are in this process.
  if (!svid) throw new Error('the agent has no SVID')
  return { key: svid.key, cert: svid.chain.map((der) => pemEncode('CERTIFICATE', der)).join('') }
}
