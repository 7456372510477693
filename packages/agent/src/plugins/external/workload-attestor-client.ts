import type { ExternalPlugin } from '@mini-spire/runtime/plugin-host/external-plugin'
import { WorkloadAttestorService } from '@mini-spire/runtime/proto/spire/plugin/agent/workloadattestor/v1/workloadattestor'
import type { Selector } from '../../model/selector.ts'
import type { WorkloadAttestor, WorkloadProcess } from '../workload-attestor/workload-attestor.ts'

/** The service that a plugin needs to have to be a workload attestor. */
export const workloadAttestorService = 'spire.plugin.agent.workloadattestor.v1.WorkloadAttestor'

const timeoutMs = 20_000

/** A workload attestor in another process. It is told a process ID and looks for itself what runs there. */
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
  async attest({ pid }: WorkloadProcess, signal: AbortSignal): Promise<readonly Selector[]> {
    const { selectorValues } = await this.#plugin.call(async () =>
      this.#plugin.client(WorkloadAttestorService).attest({ pid }, { signal, timeoutMs }),
    )
    return selectorValues.map((value) => ({ type: this.name, value }))
  }
}
