import { type Clock, sleep } from '../clock.ts'
import { type ClientOf, createClient, type GrpcChannel } from '../grpc/client.ts'
import {
  type ConnInfo,
  GRPCBrokerService,
  GRPCControllerService,
  GRPCStdioService,
} from '../proto/plugin/plugin.ts'

/** The number under which plugins of SPIRE's SDK dial the host services. */
const hostServicesId = 1
const discardBurst = 256
const discardPauseMs = 10

/** What the go-plugin framework serves beside a plugin's own services. */
export class FrameworkClient {
  readonly #broker: ClientOf<typeof GRPCBrokerService>
  readonly #controller: ClientOf<typeof GRPCControllerService>
  readonly #stdio: ClientOf<typeof GRPCStdioService>

  constructor(channel: GrpcChannel) {
    this.#broker = createClient(GRPCBrokerService, channel)
    this.#controller = createClient(GRPCControllerService, channel)
    this.#stdio = createClient(GRPCStdioService, channel)
  }

  /** Tells the plugin where the host services are; holds the broker's stream until the signal aborts or the plugin ends. */
  async offerHostServices(socketPath: string, signal: AbortSignal): Promise<void> {
    const offer: ConnInfo = {
      serviceId: hostServicesId,
      network: 'unix',
      address: socketPath,
      knock: undefined,
    }
    const announced = async function* (): AsyncGenerator<ConnInfo, void, undefined> {
      yield offer
      await aborted(signal)
    }
    try {
      // Nothing is dialled that a plugin offers.
      for await (const _ of this.#broker.startStream(announced(), { signal }));
    } catch {
      // A plugin without a broker does without host services; one that has ended is noticed elsewhere.
    }
  }

  /** Takes what the plugin prints off its hands, and drops it: else it would block one day. */
  async discardOutput(clock: Clock, signal: AbortSignal): Promise<void> {
    let count = 0
    try {
      for await (const _ of this.#stdio.streamStdio({}, { signal })) {
        if (++count % discardBurst === 0) await sleep(clock, discardPauseMs, signal)
      }
    } catch {
      // Not every plugin has the service.
    }
  }

  /** Asks the plugin to end. Never rejects: it may be gone before it answers. */
  async shutdown(timeoutMs: number): Promise<void> {
    await this.#controller.shutdown({}, { timeoutMs }).catch(() => {})
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
