import type { ExternalPlugin } from '@mini-spire/runtime/plugin-host/external-plugin'
import { SVIDStoreService } from '@mini-spire/runtime/proto/spire/plugin/agent/svidstore/v1/svidstore'
import type { StoredX509Svid, SvidStore } from '../svid-store/svid-store.ts'

/** The service that a plugin needs to have to be an SVID store. */
export const svidStoreService = 'spire.plugin.agent.svidstore.v1.SVIDStore'

const timeoutMs = 60_000

/** An SVID store in another process. */
export class ExternalSvidStore implements SvidStore {
  readonly name: string
  readonly #plugin: ExternalPlugin

  constructor(plugin: ExternalPlugin) {
    this.name = plugin.name
    this.#plugin = plugin
  }

  /** @throws {PluginCallError}, {@link PluginError} `ERR_PLUGIN_STOPPED` */
  async put(svid: StoredX509Svid, metadata: readonly string[], signal: AbortSignal): Promise<void> {
    const request = {
      svid: {
        spiffeID: svid.spiffeId.toString(),
        certChain: svid.chain.map((one) => Buffer.from(one)),
        privateKey: Buffer.from(svid.privateKey),
        bundle: svid.bundle.map((one) => Buffer.from(one)),
        expiresAt: BigInt(svid.expiresAtSeconds),
      },
      metadata: [...metadata],
      federatedBundles: new Map(
        [...svid.federatedBundles].map(([name, roots]) => [name, Buffer.concat(roots)]),
      ),
    }
    await this.#plugin.call(async () =>
      this.#plugin.client(SVIDStoreService).putX509Svid(request, { signal, timeoutMs }),
    )
  }

  /** @throws {PluginCallError}, {@link PluginError} `ERR_PLUGIN_STOPPED` */
  async delete(metadata: readonly string[], signal: AbortSignal): Promise<void> {
    const request = { metadata: [...metadata] }
    await this.#plugin.call(async () =>
      this.#plugin.client(SVIDStoreService).deleteX509Svid(request, { signal, timeoutMs }),
    )
  }
}
