import { describe, it } from 'vitest'
import { goPlugins } from '../kit/peers.ts'
import { playPlugins } from '../kit/plugin-scenario.ts'
import { Scene } from '../kit/processes.ts'
import { isSpireMissing, spire } from './programs.ts'

describe.skipIf(isSpireMissing())('the plugins that mini-spire is tested with', () => {
  it('do the same on the daemons that they were made for', async () => {
    await using scene = new Scene()
    if (spire) await playPlugins(scene, spire, await goPlugins())
  }, 240_000)
})
