import type { ExternalPlugin } from '@mini-spire/runtime/plugin-host/external-plugin'
import { BundlePublisherService } from '@mini-spire/runtime/proto/spire/plugin/server/bundlepublisher/v1/bundlepublisher'
import type { TrustBundle } from '../../model/trust-bundle.ts'
import type { BundlePublisher } from '../bundle-publisher/bundle-publisher.ts'
import { bundleToPluginProto } from './bundle-convert.ts'

/** The service that a plugin needs to have to be a bundle publisher. */
export const bundlePublisherService = 'spire.plugin.server.bundlepublisher.v1.BundlePublisher'

const timeoutMs = 60_000

/** A bundle publisher in another process. */
export class ExternalBundlePublisher implements BundlePublisher {
  readonly name: string
  readonly #plugin: ExternalPlugin

  constructor(plugin: ExternalPlugin) {
    this.name = plugin.name
    this.#plugin = plugin
  }

  /** @throws {PluginCallError}, {@link PluginError} `ERR_PLUGIN_STOPPED` */
  async publish(bundle: TrustBundle, signal: AbortSignal): Promise<void> {
    const request = { bundle: bundleToPluginProto(bundle) }
    await this.#plugin.call(async () =>
      this.#plugin.client(BundlePublisherService).publishBundle(request, { signal, timeoutMs }),
    )
  }
}
