import { MemoryKeyManager } from '@mini-spire/runtime/key-manager/memory/memory-key-manager'
import { TestCa } from '@mini-spire/sdk/testing'
import { beforeEach, describe, expect, it } from 'vitest'
import { generateNextKey } from './agent-keys.ts'
import { agentSvidFrom } from './agent-svid.ts'

const ca = TestCa.create('example.org')
const foreign = ca.issueX509Svid('/spire/agent/one').chain.map(({ raw }) => raw)

let keys: MemoryKeyManager
beforeEach(() => {
  keys = new MemoryKeyManager()
})

describe("the agent's SVID", () => {
  it.each([
    ['an empty chain', [], 'failed to parse attestation response: empty SVID cert chain'],
    ['a chain of something else', [Buffer.from('no certificate')], 'failed to parse attestation'],
    ['a chain for another key', foreign, 'the SVID is for another key'],
  ])('is not made of %s', async (_, chain, message) => {
    const key = await generateNextKey(keys, undefined)
    expect(() => agentSvidFrom({ chain, key, isReattestable: true })).toThrow(
      expect.objectContaining({
        code: 'ERR_AGENT_SVID',
        message: expect.stringContaining(message),
      }),
    )
  })
})

describe("the agent's next key", () => {
  it('never takes the slot of the one in use', async () => {
    const first = await generateNextKey(keys, undefined)
    const second = await generateNextKey(keys, first)
    const third = await generateNextKey(keys, second)
    expect([first, second, third].map(({ id }) => id)).toEqual([
      'agent-svid-A',
      'agent-svid-B',
      'agent-svid-A',
    ])
  })

  it('that cannot be made leaves the one in use, and says why', async () => {
    const first = await generateNextKey(keys, undefined)
    keys.generateKey = () => Promise.reject(new Error('no space left on device'))
    await expect(generateNextKey(keys, first)).rejects.toMatchObject({
      code: 'ERR_AGENT_KEY',
      message: 'unable to generate private key: no space left on device',
    })
    expect(await keys.listKeys()).toEqual([first])
  })
})
