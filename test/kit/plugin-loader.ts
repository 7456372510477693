import { systemClock } from '@mini-spire/runtime/clock'
import { silentLogger } from '@mini-spire/runtime/log/logger'
import { PluginLoader } from '@mini-spire/runtime/plugin-host/plugin-loader'

/** Loads plugins for the contract suites, with nothing of a daemon around them. */
export function openPluginLoader(): PluginLoader {
  return new PluginLoader({
    trustDomain: 'example.org',
    hostServices: [],
    environment: {},
    clock: systemClock,
    log: silentLogger,
    chance: () => 0,
  })
}
