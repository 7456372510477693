import type { Clock } from '@mini-spire/runtime/clock'
import type { CallContext } from '@mini-spire/runtime/grpc/call-context'
import type { CallHooks } from '@mini-spire/runtime/grpc/call-hooks'
import { GrpcHost } from '@mini-spire/runtime/grpc/host'
import type { ServiceBinding } from '@mini-spire/runtime/grpc/service'
import type { Logger } from '@mini-spire/runtime/log/logger'
import type { BrokerEndpoint } from './broker-endpoint.ts'

/** A local socket and what is served on it. */
export interface EndpointOptions {
  readonly socketPath: string
  readonly services: readonly ServiceBinding<CallContext>[]
}

/** Options of {@link Endpoints}. */
export interface EndpointsOptions {
  readonly public: (EndpointOptions & { readonly apiNames: string }) | undefined
  readonly admin: EndpointOptions | undefined
  /** Where brokers connect. */
  readonly broker: BrokerEndpoint | undefined
  readonly hooks: CallHooks<CallContext>
  readonly clock: Clock
  readonly log: Logger
}

/** The agent's sockets: one that every process may connect to, one for administrators, and where brokers connect. */
export class Endpoints implements AsyncDisposable {
  readonly #options: EndpointsOptions
  readonly #hosts: GrpcHost<CallContext>[] = []
  #broker: BrokerEndpoint | undefined

  constructor(options: EndpointsOptions) {
    this.#options = options
  }

  /** @throws {ListenError} */
  async start(): Promise<void> {
    const { public: open, admin, broker, log } = this.#options
    if (open) {
      await this.#listen(open, { mode: 0o777, directoryMode: 0o755 })
      const fields = { network: 'unix', address: open.socketPath, apis: open.apiNames }
      log.info('Starting agent APIs', fields)
    } else {
      log.info('Skipping agent APIs because public endpoint is disabled', {
        apis: 'Workload and SDS APIs',
      })
    }
    if (admin) {
      await this.#listen(admin, { mode: 0o770, directoryMode: 0o750 })
      log.info('Starting Admin APIs', { network: 'unix', address: admin.socketPath })
    }
    if (!broker) return
    this.#broker = broker
    await broker.start()
  }

  /** Cuts everything: workloads reconnect to whoever serves next. */
  async stop(): Promise<void> {
    const { public: open, admin, log } = this.#options
    const broker = this.#broker
    this.#broker = undefined
    await broker?.stop()
    if (this.#hosts.length === 0) return
    if (open) log.info('Stopping agent APIs', { apis: open.apiNames })
    if (admin) log.info('Stopping Admin APIs')
    await Promise.all(this.#hosts.splice(0).map((host) => host.stop(0)))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #listen(
    { socketPath, services }: EndpointOptions,
    modes: { readonly mode: number; readonly directoryMode: number },
  ): Promise<void> {
    const { hooks, clock, log } = this.#options
    const host = new GrpcHost({ services, hooks, clock, log })
    this.#hosts.push(host)
    await host.listenUnix({ path: socketPath, ...modes })
  }
}
