import { expect, it } from 'vitest'
import { Scene } from '../kit/processes.ts'
import { goneLines, neverThere, playServerAway } from '../kit/server-away.ts'
import { isSpireMissing, spire } from './programs.ts'

it.skipIf(isSpireMissing())(
  "what our agent says of a server that is away stands in the log of SPIRE's",
  async () => {
    if (!spire) return
    await using scene = new Scene()
    const { left, lonely } = await playServerAway(scene, spire)
    for (const line of goneLines) expect(left).toMatch(line)
    expect(lonely).toMatch(neverThere)
  },
)
