import { describe, expect, it } from 'vitest'
import { startDelegateScene } from '../kit/delegate-scene.ts'
import { goPeer, isGoMissing } from '../kit/peers.ts'
import { ours, Scene } from '../kit/processes.ts'

describe.skipIf(isGoMissing())('Go as a delegate and as a proxy of our agent', () => {
  it('is told what SPIRE tells it', async () => {
    await using scene = new Scene()
    const peer = { command: await goPeer(), args: [] }
    const { ask } = await startDelegateScene(scene, ours)
    await expect(ask(peer)).toMatchFileSnapshot('go.delegated.txt')
  })
})
