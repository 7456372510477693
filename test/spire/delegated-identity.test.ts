import { describe, expect, it } from 'vitest'
import { startDelegateScene } from '../kit/delegate-scene.ts'
import { goPeer } from '../kit/peers.ts'
import { ours, Scene } from '../kit/processes.ts'
import { isSpireMissing, spire } from './programs.ts'

describe.skipIf(isSpireMissing())('A delegate and a proxy', () => {
  it.each([
    ["SPIRE's agent below SPIRE's server", spire],
    ["our agent below SPIRE's server", spire && { server: spire.server, agent: ours.agent }],
    ["SPIRE's agent below our server", spire && { server: ours.server, agent: spire.agent }],
  ])('are told the same by %s', async (_pair, programs) => {
    if (!programs) throw new Error('no programs')
    await using scene = new Scene()
    const peer = { command: await goPeer(), args: [] }
    const { ask } = await startDelegateScene(scene, programs)
    await expect(ask(peer)).toMatchFileSnapshot('../interop/go.delegated.txt')
  })
})
