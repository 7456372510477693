import { join } from 'node:path'
import type { Clock } from '../clock.ts'
import type { CallContext } from '../grpc/call-context.ts'
import { openHooks } from '../grpc/call-hooks.ts'
import { GrpcHost } from '../grpc/host.ts'
import type { ServiceBinding } from '../grpc/service.ts'
import type { Logger } from '../log/logger.ts'

/** A service that plugins may call, under its full name. */
export interface HostService {
  /** Such as `spire.hostservice.server.agentstore.v1.AgentStore`. */
  readonly name: string
  readonly binding: ServiceBinding<CallContext>
}

/** Where host services are served, and with what. */
export interface ServeHostServicesOptions {
  readonly services: readonly HostService[]
  /** A directory that only this user may enter: whoever reaches the socket may call. */
  readonly directory: string
  readonly clock: Clock
  readonly log: Logger
}

/** Calls of one plugin that may be under way at once. */
const maxCalls = 256

/** The services that a plugin may call, on a socket of its own. Dispose it when the plugin has ended. */
export class HostServices implements AsyncDisposable {
  readonly socketPath: string
  readonly names: readonly string[]
  readonly #host: GrpcHost<CallContext>

  private constructor(options: ServeHostServicesOptions) {
    const { services, directory, clock, log } = options
    this.socketPath = join(directory, 'host.sock')
    this.names = services.map(({ name }) => name)
    const bindings = services.map(({ binding }) => binding)
    const limits = { maxCalls, maxCallsPerAddress: maxCalls }
    this.#host = new GrpcHost({ services: bindings, hooks: openHooks, clock, log, limits })
  }

  /** @throws {ListenError} */
  static async serve(options: ServeHostServicesOptions): Promise<HostServices> {
    const served = new HostServices(options)
    await served.#host.listenUnix({ path: served.socketPath, mode: 0o600, directoryMode: 0o700 })
    return served
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#host.stop(0)
  }
}
