import type { Clock } from '@mini-spire/runtime/clock'
import type { Peer, TlsPeer } from '@mini-spire/runtime/grpc/call-context'
import type { CallHooks } from '@mini-spire/runtime/grpc/call-hooks'
import { GrpcHost } from '@mini-spire/runtime/grpc/host'
import type { ServiceBinding } from '@mini-spire/runtime/grpc/service'
import type { LogFields, Logger } from '@mini-spire/runtime/log/logger'
import { pemEncode } from '@mini-spire/sdk/x509'
import type { ServerCall } from '../authorization/caller.ts'
import { assertPolicies } from '../authorization/policy.ts'
import type { ConnectionCutter } from './agent-evictions.ts'
import type { ServerSvid } from './server-svid.ts'

/** How long one TCP connection serves before its client is sent for a fresh one, ± 10 %. */
const maxConnectionAgeMs = 3 * 60_000

/** What calls under way get to finish when the server stops, as in SPIRE; streams end at once: their callers come again. */
const stopGraceMs = 10_000

const socketMode = 0o770
const socketDirectoryMode = 0o750

/** Options of {@link Endpoints}. */
export interface EndpointsOptions {
  /** Services on both listeners. */
  readonly services: readonly ServiceBinding<ServerCall>[]
  /** Services on the local socket only. */
  readonly localServices: readonly ServiceBinding<ServerCall>[]
  readonly hooks: CallHooks<ServerCall>
  readonly socketPath: string
  readonly bindAddress: string
  readonly bindPort: number
  /** Proxies that may tell the address of a client by the PROXY protocol. */
  readonly proxyTrustedCidrs: readonly string[]
  /** Speaks TLS with nobody without a post-quantum key exchange. */
  readonly requiresPqKem: boolean
  /** What the server shows; asked anew after each {@link Endpoints.updateCredentials}. */
  readonly svid: () => ServerSvid
  /** Judges a client's certificates, or throws. */
  readonly verifyClient: (chain: readonly Uint8Array[]) => { readonly spiffeId: string }
  readonly clock: Clock
  readonly log: Logger
  /** What the lines of calls go to. */
  readonly apiLog: Logger
}

/** Where a server listens. */
export interface EndpointAddresses {
  readonly socketPath: string
  readonly host: string
  readonly port: number
}

/**
 * The server's two listeners: the local socket, on which being able to connect is all it takes, and TCP with TLS, on which
 * callers show a certificate or stay anonymous.
 */
export class Endpoints implements ConnectionCutter {
  readonly #options: EndpointsOptions
  readonly #local: GrpcHost<ServerCall>
  readonly #remote: GrpcHost<ServerCall>
  #address = ''

  /** @throws {AuthorizationError} for a method that the policy has no row for */
  constructor(options: EndpointsOptions) {
    const { services, localServices, hooks, clock } = options
    const all = [...services, ...localServices]
    assertPolicies(all.flatMap(({ methods }) => methods.map(({ path }) => path)))
    this.#options = options
    const host = { hooks, clock, log: options.apiLog }
    this.#local = new GrpcHost({ ...host, services: all })
    this.#remote = new GrpcHost({ ...host, services })
  }

  /** Listens; both addresses are open, or neither. */
  async start(): Promise<EndpointAddresses> {
    const { socketPath, bindAddress, bindPort, svid, verifyClient, log } = this.#options
    const { proxyTrustedCidrs, requiresPqKem } = this.#options
    try {
      const { host, port } = await this.#remote.listenTls({
        host: bindAddress,
        port: bindPort,
        credentials: () => {
          const { key, chain } = svid()
          return { key, cert: chain.map((der) => pemEncode('CERTIFICATE', der)).join('') }
        },
        verifyClient,
        maxConnectionAgeMs,
        outlivesCertificate: isAgent,
        proxyTrustedCidrs,
        requiresPqKem,
      })
      await this.#local.listenUnix({
        path: socketPath,
        mode: socketMode,
        directoryMode: socketDirectoryMode,
        acceptsUnidentified: true,
      })
      if (proxyTrustedCidrs.length > 0) {
        const fields = { trusted_cidrs: proxyTrustedCidrs }
        log.info('PROXY protocol enabled on TCP listener', fields)
      }
      const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
      this.#address = address
      log.info('Starting Server APIs', { network: 'tcp', address })
      log.info('Starting Server APIs', { network: 'unix', address: socketPath })
      return { socketPath, host, port }
    } catch (error) {
      await Promise.all([this.#local.stop(0), this.#remote.stop(0)])
      throw error
    }
  }

  /** New handshakes show the SVID as it is now. */
  updateCredentials(): void {
    this.#remote.updateCredentials()
  }

  closeConnections(matches: (peer: Peer) => boolean): number {
    return this.#remote.closeConnections(matches)
  }

  /** Takes no more calls, and cuts what has not finished in time. */
  async stop(): Promise<void> {
    const { socketPath: address } = this.#options
    await Promise.all([
      this.#stopHost(this.#remote, { network: 'tcp', address: this.#address }),
      this.#stopHost(this.#local, { network: 'unix', address }),
    ])
  }

  async #stopHost(host: GrpcHost<ServerCall>, fields: LogFields): Promise<void> {
    const log = this.#options.log.with(fields)
    log.info('Stopping Server APIs')
    log.info('Attempting graceful stop')
    const isGraceful = await host.stop(stopGraceMs)
    if (isGraceful) log.info('Graceful stop successful')
    else log.info(`Graceful stop unsuccessful, forced stop after ${stopGraceMs / 1000}s`)
    log.info('Server APIs have stopped')
  }
}

/** An agent whose SVID has expired is told so by the answer to its next call, and attests anew. */
function isAgent({ spiffeId }: TlsPeer): boolean {
  return spiffeId !== undefined && /^spiffe:\/\/[^/]+\/spire\/agent\//.test(spiffeId)
}
