import { beforeAll, describe, expect, it } from 'vitest'
import { goPlugins, isGoMissing } from '../kit/peers.ts'
import { PluginScenario, playPlugins } from '../kit/plugin-scenario.ts'
import { ours, Scene } from '../kit/processes.ts'

describe.skipIf(isGoMissing())("plugins built with SPIRE's plugin SDK", () => {
  let plugins: string
  beforeAll(async () => {
    plugins = await goPlugins()
  })

  it('attest, sign, store, publish and are notified on both daemons', async () => {
    await using scene = new Scene()
    await playPlugins(scene, ours, plugins)
  })

  it('end with their daemon, also when it is killed', async () => {
    await using scene = new Scene()
    const scenario = await PluginScenario.start(scene, ours, plugins)
    expect(scenario.pluginProcesses().length).toBeGreaterThan(0)
    await scenario.server.daemon.stop('SIGKILL')
    while (scenario.pluginProcesses().length > 0) await new Promise(setImmediate)
  })
})
