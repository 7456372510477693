import { expect, it } from 'vitest'
import { ours, Scene } from '../kit/processes.ts'
import { goneLines, neverThere, playServerAway } from '../kit/server-away.ts'

// test/spire/server-away.test.ts finds the same lines in the log of SPIRE's agent.
it('an agent without its server says so in the words that alerts look for', async () => {
  await using scene = new Scene()
  const { left, lonely } = await playServerAway(scene, ours)
  for (const line of goneLines) expect(left).toMatch(line)
  expect(lonely).toMatch(neverThere)
})
