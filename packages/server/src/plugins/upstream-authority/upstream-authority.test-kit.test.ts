import { systemClock } from '@mini-spire/runtime/clock'
import { describe, expect, it } from 'vitest'
import { upstreamAuthorityContract } from './upstream-authority.contract.ts'
import { FakeUpstreamAuthority } from './upstream-authority.test-kit.ts'

const tools = { describe, it, expect }

describe('a fake that cannot publish', () => {
  upstreamAuthorityContract(tools, 'fake', async () => ({
    authority: new FakeUpstreamAuthority(systemClock),
    now: new Date(),
  }))
})

describe('a fake that can', () => {
  upstreamAuthorityContract(tools, 'fake', async () => {
    const authority = new FakeUpstreamAuthority(systemClock)
    authority.keys = []
    return { authority, now: new Date() }
  })
})
