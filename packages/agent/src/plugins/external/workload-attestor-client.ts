import type { ExternalPlugin } from '@mini-spire/runtime/plugin-host/external-plugin'
import { WorkloadAttestorService } from '@mini-spire/runtime/proto/spire/plugin/agent/workloadattestor/v1/workloadattestor'
import { isSpiffeError } from '@mini-spire/sdk/errors'
import { WorkloadPIDReference } from '@mini-spire/sdk/internal/spiffe/broker/api'
import type { Selector } from '../../model/selector.ts'
import type {
  ReferencedWorkload,
  WorkloadAttestor,
  WorkloadProcess,
} from '../workload-attestor/workload-attestor.ts'

/** The service that a plugin needs to have to be a workload attestor. */
export const workloadAttestorService = 'spire.plugin.agent.workloadattestor.v1.WorkloadAttestor'

const timeoutMs = 20_000
/** What tells a plugin which broker asks; SPIRE's name. */
const callerHeader = 'spire-agent-broker-caller-id'

/** How a plugin is asked. */
interface Asked {
  readonly reference: { readonly typeUrl: string; readonly value: Uint8Array }
  readonly metadata: Readonly<Record<string, string>>
}

/**
 * A workload attestor in another process. It is told a process ID, or a reference, and looks for itself what is behind it. A
 * plugin that knows only one of the two ways is asked that way.
 */
export class ExternalWorkloadAttestor implements WorkloadAttestor {
  readonly name: string
  readonly #plugin: ExternalPlugin

  constructor(plugin: ExternalPlugin) {
    this.name = plugin.name
    this.#plugin = plugin
  }

  /**
   * @throws {PluginCallError} what the plugin refused with
   * @throws {PluginError} `ERR_PLUGIN_STOPPED`
   */
  async attest(process: WorkloadProcess, signal: AbortSignal): Promise<readonly Selector[]> {
    try {
      return await this.#attestProcess(process, signal)
    } catch (error) {
      if (!isUnimplemented(error)) throw error
      return await this.#attestReference(
        {
          reference: {
            typeUrl: 'type.googleapis.com/spiffe.broker.WorkloadPIDReference',
            value: WorkloadPIDReference.encode({ pid: process.pid }).finish(),
          },
          metadata: {},
        },
        signal,
      )
    }
  }

  /** @throws as {@link attest}; with the kind `unimplemented` when the plugin does not understand the reference */
  async attestReference(
    { reference, broker, process }: ReferencedWorkload,
    signal: AbortSignal,
  ): Promise<readonly Selector[]> {
    try {
      const { typeUrl, encoded: value } = reference
      const metadata = { [callerHeader]: broker.toString() }
      return await this.#attestReference({ reference: { typeUrl, value }, metadata }, signal)
    } catch (error) {
      if (!process || !isUnimplemented(error)) throw error
      return await this.#attestProcess(process, signal)
    }
  }

  async #attestProcess(
    { pid }: WorkloadProcess,
    signal: AbortSignal,
  ): Promise<readonly Selector[]> {
    const { selectorValues } = await this.#plugin.call(async () =>
      this.#plugin.client(WorkloadAttestorService).attest({ pid }, { signal, timeoutMs }),
    )
    return this.#selectors(selectorValues)
  }

  async #attestReference(
    { reference, metadata }: Asked,
    signal: AbortSignal,
  ): Promise<readonly Selector[]> {
    const { selectorValues } = await this.#plugin.call(async () =>
      this.#plugin
        .client(WorkloadAttestorService)
        .attestReference({ reference }, { signal, timeoutMs, metadata }),
    )
    return this.#selectors(selectorValues)
  }

  #selectors(values: readonly string[]): readonly Selector[] {
    return values.map((value) => ({ type: this.name, value }))
  }
}

function isUnimplemented(error: unknown): boolean {
  return isSpiffeError(error) && error.kind === 'unimplemented'
}
