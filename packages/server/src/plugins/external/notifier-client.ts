import type { ExternalPlugin } from '@mini-spire/runtime/plugin-host/external-plugin'
import { NotifierService } from '@mini-spire/runtime/proto/spire/plugin/server/notifier/v1/notifier'
import type { TrustBundle } from '../../model/trust-bundle.ts'
import type { Notifier } from '../notifier/notifier.ts'
import { bundleToPluginProto } from './bundle-convert.ts'

/** The service that a plugin needs to have to be a notifier. */
export const notifierService = 'spire.plugin.server.notifier.v1.Notifier'

const timeoutMs = 60_000

/** A notifier in another process. */
export class ExternalNotifier implements Notifier {
  readonly name: string
  readonly #plugin: ExternalPlugin

  constructor(plugin: ExternalPlugin) {
    this.name = plugin.name
    this.#plugin = plugin
  }

  /** @throws {PluginCallError}, {@link PluginError} `ERR_PLUGIN_STOPPED` */
  async bundleLoaded(bundle: TrustBundle, signal: AbortSignal): Promise<void> {
    const bundleLoaded = { bundle: bundleToPluginProto(bundle) }
    const event = { $case: 'bundleLoaded', bundleLoaded } as const
    await this.#plugin.call(async () =>
      this.#plugin.client(NotifierService).notifyAndAdvise({ event }, { signal, timeoutMs }),
    )
  }

  /** @throws {PluginCallError}, {@link PluginError} `ERR_PLUGIN_STOPPED` */
  async bundleUpdated(bundle: TrustBundle, signal: AbortSignal): Promise<void> {
    const bundleUpdated = { bundle: bundleToPluginProto(bundle) }
    const event = { $case: 'bundleUpdated', bundleUpdated } as const
    await this.#plugin.call(async () =>
      this.#plugin.client(NotifierService).notify({ event }, { signal, timeoutMs }),
    )
  }
}
