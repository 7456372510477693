import { describe, it } from 'vitest'
import { proveNested } from '../kit/nested-servers.ts'
import { ours, Scene } from '../kit/processes.ts'

const timeLimitMs = 240_000

describe('a server below another', () => {
  it(
    'hands out chains that lead to the root above, shares JWT authorities, and follows a forced rotation',
    async () => {
      await using scene = new Scene()
      await proveNested(scene, ours, ours)
    },
    timeLimitMs,
  )
})
