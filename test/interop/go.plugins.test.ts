import { describe, it } from 'vitest'
import { goPlugins, isGoMissing } from '../kit/peers.ts'
import { playPlugins } from '../kit/plugin-scenario.ts'
import { ours, Scene } from '../kit/processes.ts'

describe.skipIf(isGoMissing())("plugins built with SPIRE's plugin SDK", () => {
  it('attest, sign, store, publish and are notified on both daemons', async () => {
    await using scene = new Scene()
    await playPlugins(scene, ours, await goPlugins())
  }, 240_000)
})
