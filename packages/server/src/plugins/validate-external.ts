import { systemClock } from '@mini-spire/runtime/clock'
import type { PluginConfig } from '@mini-spire/runtime/config/plugin-config'
import { silentLogger } from '@mini-spire/runtime/log/logger'
import { PluginLoader } from '@mini-spire/runtime/plugin-host/plugin-loader'
import { noMetrics } from '@mini-spire/runtime/telemetry/metrics'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { externalTypes } from './external/plugin-types.ts'
import { ServerHostServices } from './host-services/server-host-services.ts'

/** What an external plugin has against its configuration. */
export interface ExternalProblem {
  readonly type: string
  readonly name: string
  readonly problem: string
}

const services: Readonly<Record<string, string>> = {
  BundlePublisher: externalTypes.bundlePublisher.service,
  CredentialComposer: externalTypes.credentialComposer.service,
  KeyManager: externalTypes.keyManager.service,
  NodeAttestor: externalTypes.nodeAttestor.service,
  Notifier: externalTypes.notifier.service,
  UpstreamAuthority: externalTypes.upstreamAuthority.service,
}

/**
 * Starts each enabled external plugin, asks it about its configuration, and ends it again. Nothing is configured.
 *
 * @throws {CatalogError} `ERR_PLUGIN_LOAD` when one cannot be started
 */
export async function validateExternalPlugins(
  plugins: readonly PluginConfig[],
  options: {
    readonly trustDomain: TrustDomain
    readonly environment: Readonly<Record<string, string | undefined>>
  },
): Promise<readonly ExternalProblem[]> {
  const loader = new PluginLoader({
    trustDomain: options.trustDomain.name,
    environment: options.environment,
    hostServices: new ServerHostServices().services(noMetrics, systemClock),
    clock: systemClock,
    log: silentLogger,
    chance: () => 0,
  })
  const problems: ExternalProblem[] = []
  for (const config of plugins) {
    const { type, name, isEnabled, command } = config
    const service = services[type]
    if (!isEnabled || command === '' || service === undefined) continue
    for (const problem of await loader.validate(config, service)) {
      problems.push({ type, name, problem })
    }
  }
  return problems
}
