import type { Clock } from '@mini-spire/runtime/clock'
import type { HostService } from '@mini-spire/runtime/plugin-host/host-services'
import { metricsHostService } from '@mini-spire/runtime/plugin-host/metrics-service'
import type { Metrics } from '@mini-spire/runtime/telemetry/metrics'
import { agentStoreService } from './agent-store-service.ts'
import { identityProviderService, type ServerIdentity } from './identity-provider-service.ts'

/**
 * What a server's external plugins may call.
 *
 * Plugins are there before what they ask for is: the server provides it as it starts, and until then they are refused.
 */
export class ServerHostServices {
  #isAttested: ((agentId: string) => boolean) | undefined
  #identity: (() => ServerIdentity | undefined) | undefined

  /** The services, in the order in which plugins are told of them. */
  services(metrics: Metrics, clock: Clock): readonly HostService[] {
    return [
      identityProviderService(() => this.#identity?.()),
      agentStoreService(() => this.#isAttested),
      metricsHostService(metrics, clock),
    ]
  }

  provideAgents(isAttested: (agentId: string) => boolean): void {
    this.#isAttested = isAttested
  }

  provideIdentity(identity: () => ServerIdentity | undefined): void {
    this.#identity = identity
  }
}
