import { describe, it } from 'vitest'
import { proveNested } from '../kit/nested-servers.ts'
import { ours, type Programs, Scene } from '../kit/processes.ts'
import { isSpireMissing, spire } from './programs.ts'

const timeLimitMs = 240_000

function pairs(): readonly (readonly [string, Programs, Programs])[] {
  if (!spire) return []
  return [
    ["our server under SPIRE's", spire, ours],
    ["SPIRE's server under ours", ours, spire],
    ["our server under SPIRE's, SPIRE's agent", spire, { ...ours, agent: spire.agent }],
  ]
}

describe.skipIf(isSpireMissing())('nested servers', () => {
  it.each(pairs())(
    '%s: chains, JWT-SVIDs and a forced rotation above reach everybody',
    async (_, upper, lower) => {
      await using scene = new Scene()
      await proveNested(scene, upper, lower)
    },
    timeLimitMs,
  )
})
