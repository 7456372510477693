import type { Clock } from '@mini-spire/runtime/clock'
import { type Logger, silentLogger } from '@mini-spire/runtime/log/logger'
import { SpiffeId, TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { describe, expect, it } from 'vitest'
import { RecordingLog } from '../ca/ca.test-kit.ts'
import type { NodeAttestor } from '../plugins/node-attestor/node-attestor.ts'
import { NodeAttestorError } from '../plugins/node-attestor/node-attestor-error.ts'
import { Registry } from '../registry/registry.ts'
import { MemoryStore } from '../store/memory/memory-store.ts'
import type { Cause, Store } from '../store/store.ts'
import type { AgentSvidSigner } from './agent-svid-signer.ts'
import { AgentAttestation } from './attest-agent.ts'
import type { AttestationState } from './attestation-state.ts'
import { banAgent } from './ban-agent.ts'
import { evictAgent } from './evict-agent.ts'
import { createJoinToken, hashJoinToken } from './join-tokens.ts'
import { postStatus } from './post-status.ts'
import { pruneNodes } from './prune-nodes.ts'
import { renewAgent } from './renew-agent.ts'

const trustDomain = TrustDomain.parse('example.org')
const cause: Cause = { actor: { class: 'local', id: 'uid:0' }, requestId: 'r', reason: 'test' }
const csr = Uint8Array.of(1)
const podAgent = 'spiffe://example.org/spire/agent/pod/1'

interface Scene {
  readonly state: AttestationState
  readonly store: Store
  readonly registry: Registry
  readonly attestation: AgentAttestation
  readonly signer: AgentSvidSigner
  readonly time: { ms: number }
  readonly signed: () => number
  readonly token: (options?: { token?: string; ttl?: number; agent?: string }) => Promise<string>
  readonly join: (token: string) => ReturnType<AgentAttestation['attest']>
  readonly attest: () => ReturnType<AgentAttestation['attest']>
}

async function scene(
  options: {
    readonly attest?: NodeAttestor['attest']
    readonly agentIdAsSelector?: boolean
    readonly log?: Logger
  } = {},
): Promise<Scene> {
  const time = { ms: 1_700_000_000_000 }
  const clock: Clock = {
    now: () => new Date(time.ms),
    nowMs: () => time.ms,
    setTimer: () => ({ cancel: () => {} }),
  }
  const store = MemoryStore.create({ clock })
  const registry = new Registry({ clock })
  await store.open((changes) => registry.apply(changes))
  const state: AttestationState = { records: registry, store }
  let serial = 0
  const signer: AgentSvidSigner = {
    issueAgentSvid: async ({ spiffeId }) => {
      const serialNumber = String(++serial)
      await Promise.resolve()
      const expiresAtSeconds = time.ms / 1000 + 3600
      return { chain: [Uint8Array.of(serial)], spiffeId, serialNumber, expiresAtSeconds }
    },
  }
  const pod: NodeAttestor = {
    name: 'pod',
    attest:
      options.attest ??
      (() =>
        Promise.resolve({ agentId: podAgent, selectorValues: ['a', 'b', 'a'], canReattest: true })),
  }
  const attestation = new AgentAttestation({
    trustDomain,
    state,
    signer,
    attestors: new Map([['pod', pod]]),
    clock,
    agentIdAsSelector: options.agentIdAsSelector ?? false,
  })
  const attest = (attestationType: string, payload: string) =>
    attestation.attest(
      { attestationType, payload: Buffer.from(payload), csr },
      {
        challenge: () => Promise.reject(new Error('no challenge is expected')),
        clientIp: '',
        untrustedHost: '',
        signal: new AbortController().signal,
        cause,
        log: options.log ?? silentLogger,
      },
    )
  return {
    state,
    store,
    registry,
    attestation,
    signer,
    time,
    signed: () => serial,
    token: async ({ token = '', ttl = 600, agent } = {}) => {
      const agentId = agent === undefined ? undefined : SpiffeId.parse(agent)
      const request = { ttlSeconds: ttl, token, agentId }
      return (await createJoinToken(request, { state, trustDomain, clock, cause })).token
    },
    join: (token) => attest('join_token', token),
    attest: () => attest('pod', 'x'),
  }
}

const refused = (code: string, message: string) => expect.objectContaining({ code, message })
const used = refused(
  'ERR_JOIN_TOKEN_REFUSED',
  'failed to attest: join token does not exist or has already been used',
)
const tokenAgent = (token: string): string => `spiffe://example.org/spire/agent/join_token/${token}`

describe('a join token', () => {
  it.each(['x/y', '..', '.', 'a b', 'ä', 'a%2Fb'])(
    'that is no segment of a path makes no agent ID, nor an alias: %j',
    async (strange) => {
      const { token, join, registry } = await scene()
      await expect(
        token({ token: strange, agent: 'spiffe://example.org/alias' }),
      ).rejects.toMatchObject({
        code: 'ERR_JOIN_TOKEN_NOT_STORED',
        message: expect.stringMatching(/^failed to create join token registration entry: /),
      })
      await token({ token: strange })
      await expect(join(strange)).rejects.toMatchObject({
        code: 'ERR_AGENT_ID_REFUSED',
        message: expect.stringMatching(/^failed to create join token ID: /),
      })
      await expect(join(strange)).rejects.toEqual(used)
      expect(registry.nodes.count()).toBe(0)
    },
  )

  it('wins once, however many attempts run side by side [gate 4]', async () => {
    const { token, join, registry, signed } = await scene()
    const secret = await token()
    const results = await Promise.allSettled(Array.from({ length: 200 }, () => join(secret)))
    expect(results.filter((one) => one.status === 'fulfilled')).toHaveLength(1)
    for (const one of results) if (one.status === 'rejected') expect(one.reason).toEqual(used)
    expect(registry.nodes.count()).toBe(1)
    expect(signed()).toBe(1)
  })

  it('goes with the node in one transaction: when that fails, neither has happened', async () => {
    const made = await scene()
    const secret = await made.token()
    const commit = made.store.commit.bind(made.store)
    let isBroken = true
    made.store.commit = (transactions) => {
      expect(transactions).toHaveLength(1)
      if (isBroken) return Promise.reject(new Error('disk full'))
      return commit(transactions)
    }
    await expect(made.join(secret)).rejects.toEqual(
      refused('ERR_AGENT_NOT_STORED', 'failed to create attested agent: disk full'),
    )
    expect(made.registry.joinTokens.find(hashJoinToken(secret))).toBeDefined()
    expect(made.registry.nodes.count()).toBe(0)
    isBroken = false
    await expect(made.join(secret)).resolves.toBeDefined()
    await expect(made.join(secret)).rejects.toEqual(used)
  })

  it('is refused when another server used it up while this one was signing', async () => {
    const made = await scene()
    const secret = await made.token()
    const key = hashJoinToken(secret)
    const original = made.signer.issueAgentSvid
    made.signer.issueAgentSvid = async (request) => {
      const gone = { op: 'delete', kind: 'join-token', key, expect: 'present' } as const
      await made.store.commit([{ cause, mutations: [gone] }])
      return await original(request)
    }
    await expect(made.join(secret)).rejects.toEqual(used)
    expect(made.registry.nodes.count()).toBe(0)
  })

  it('is used up by an attempt after its expiry', async () => {
    const { token, join, time, registry } = await scene()
    const secret = await token({ ttl: 1 })
    time.ms += 1001
    await expect(join(secret)).rejects.toEqual(
      refused('ERR_JOIN_TOKEN_REFUSED', 'join token expired'),
    )
    expect(registry.joinTokens.find(hashJoinToken(secret))).toBeUndefined()
    await expect(join(secret)).rejects.toEqual(used)
  })

  it('that cannot stand in an ID attests nobody', async () => {
    const { token, join, registry } = await scene()
    const secret = await token({ token: '../server' })
    await expect(join(secret)).rejects.toMatchObject({ code: 'ERR_AGENT_ID_REFUSED' })
    expect(registry.nodes.count()).toBe(0)
  })

  it('is kept as its hash only [invariant 8]', async () => {
    const { token, store, registry } = await scene()
    const secret = await token({ token: 'very-secret' })
    const kept = registry.joinTokens.find(hashJoinToken(secret))
    expect(JSON.stringify(kept)).not.toContain(secret)
    for await (const change of store.changes(0)) {
      expect(JSON.stringify({ ...change, key: change.key })).not.toContain(secret)
    }
  })

  it.each([0, -1])('needs a time to live, not %d', async (ttl) => {
    const { token } = await scene()
    await expect(token({ ttl })).rejects.toEqual(
      refused('ERR_JOIN_TOKEN_TTL', 'ttl is required, you must provide one'),
    )
  })

  it('exists once', async () => {
    const { token } = await scene()
    await token({ token: 'x' })
    await expect(token({ token: 'x' })).rejects.toEqual(
      refused(
        'ERR_JOIN_TOKEN_NOT_STORED',
        'failed to create token: datastore-sql: UNIQUE constraint failed: join_tokens.token',
      ),
    )
  })

  it('with an agent ID makes the alias entry, or neither', async () => {
    const { token, registry, time } = await scene()
    time.ms += 600
    const agent = 'spiffe://example.org/host'
    await token({ token: 'x', agent })
    const [alias] = registry.entries.findBySpiffeId(agent)
    // As of every entry, rounded; the token's end is not.
    expect(alias?.createdAtSeconds).toBe(1_700_000_001)
    const { expiresAtSeconds } = registry.joinTokens.find(hashJoinToken('x')) ?? {}
    expect(expiresAtSeconds).toBe(1_700_000_600)
    expect(String(alias?.parentId)).toBe(tokenAgent('x'))
    expect(alias?.selectors).toEqual([{ type: 'spiffe_id', value: tokenAgent('x') }])
    await expect(token({ token: 'a b', agent })).rejects.toMatchObject({
      message: expect.stringContaining('failed to create join token registration entry: '),
    })
    expect(registry.joinTokens.find(hashJoinToken('a b'))).toBeUndefined()
  })
})

describe('an attestation', () => {
  it('by an attestor that does not exist is refused', async () => {
    const { attestation } = await scene()
    const request = { attestationType: 'nope', payload: csr, csr }
    const promise = attestation.attest(request, {} as never)
    await expect(promise).rejects.toEqual(
      refused(
        'ERR_NODE_ATTESTOR_UNKNOWN',
        'error getting node attestor: could not find node attestor type "nope"',
      ),
    )
  })

  it.each([
    ['no', 'nodeattestor(pod): no'],
    ['pod: no', 'nodeattestor(pod): no'],
  ])('that the attestor refuses with %j says whose word it is', async (text, message) => {
    const error = new NodeAttestorError('ERR_NODE_EVIDENCE_REFUSED', text)
    const { attest } = await scene({ attest: () => Promise.reject(error) })
    await expect(attest()).rejects.toMatchObject({
      code: 'ERR_NODE_REFUSED',
      kind: 'permission-denied',
      message,
    })
  })

  it.each([
    ['', 'nodeattestor(pod): plugin response missing agent ID'],
    ['x', 'invalid agent ID: scheme is missing or invalid'],
    ['spiffe://example.org/spire/server', 'agent ID cannot collide with the server ID'],
  ])('that yields the ID %j is refused before anything is signed', async (agentId, message) => {
    const found = { agentId, selectorValues: [], canReattest: true }
    const { attest, signed } = await scene({ attest: () => Promise.resolve(found) })
    await expect(attest()).rejects.toMatchObject({ kind: 'internal', message })
    expect(signed()).toBe(0)
  })

  it.each([
    ['pod/1', undefined],
    [
      'other/1',
      '"spiffe://example.org/spire/agent/other/1" is not in the agent namespace for attestor "pod"',
    ],
  ])(
    'that yields an ID below /spire/agent/ is let in, with a warning when it is not its own: %s',
    async (path, error) => {
      const agentId = `spiffe://example.org/spire/agent/${path}`
      const found = { agentId, selectorValues: [], canReattest: true }
      const log = new RecordingLog()
      const { attest } = await scene({ log, attest: () => Promise.resolve(found) })
      expect(String((await attest()).svid.spiffeId)).toBe(agentId)
      const warning = {
        message:
          'The node attestor produced an invalid agent ID; future releases will enforce that agent IDs are within the reserved agent namesepace for the node attestor',
        fields: { agent_id: agentId, error },
      }
      expect(log.lines).toEqual(error === undefined ? [] : [warning])
    },
  )

  it('with evidence that counts once makes one agent, however many attempts run side by side [gate 4]', async () => {
    const evidence = { agentId: podAgent, selectorValues: [], canReattest: false }
    const { attest, registry } = await scene({
      attest: () => Promise.resolve({ ...evidence, isTrustedOnFirstUse: true }),
    })
    const results = await Promise.allSettled(Array.from({ length: 200 }, attest))
    expect(results.filter((one) => one.status === 'fulfilled')).toHaveLength(1)
    const secondUse = expect.objectContaining({
      kind: 'permission-denied',
      message: 'nodeattestor(pod): attestation data has already been used to attest an agent',
    })
    for (const one of results) if (one.status === 'rejected') expect(one.reason).toEqual(secondUse)
    expect(registry.nodes.count()).toBe(1)
    await expect(attest()).rejects.toEqual(secondUse)
  })

  it('tells the attestor whether an agent is attested already', async () => {
    const seen: boolean[] = []
    const { attest } = await scene({
      attest: (_, { isAttested }) => {
        seen.push(isAttested(podAgent))
        return Promise.resolve({ agentId: podAgent, selectorValues: [], canReattest: true })
      },
    })
    await attest()
    await attest()
    expect(seen).toEqual([false, true])
  })

  it('stores each selector once, under the attestor’s name', async () => {
    const { attest, registry } = await scene({ agentIdAsSelector: true })
    await attest()
    expect(registry.nodes.find(podAgent)?.selectors).toEqual([
      { type: 'pod', value: 'a' },
      { type: 'pod', value: 'b' },
      { type: 'spiffe_id', value: podAgent },
    ])
  })

  it('of a known node replaces its certificate and keeps its type and version', async () => {
    const { attest, registry, state } = await scene()
    await attest()
    await postStatus(state, podAgent, '1.2.3', cause)
    await attest()
    expect(registry.nodes.find(podAgent)).toMatchObject({
      serialNumber: '2',
      newSerialNumber: '',
      attestationType: 'pod',
      agentVersion: '1.2.3',
    })
  })

  it('never undoes a ban, not even one that comes while it is signing [gate 14]', async () => {
    const made = await scene()
    await made.attest()
    await banAgent(made.state, podAgent, cause)
    const banned = refused('ERR_AGENT_BANNED', 'failed to attest: agent is banned')
    await expect(made.attest()).rejects.toEqual(banned)
    await evictAgent(made.state, podAgent, cause)
    await made.attest()
    const original = made.signer.issueAgentSvid
    made.signer.issueAgentSvid = async (request) => {
      await banAgent(made.state, podAgent, cause)
      return await original(request)
    }
    await expect(made.attest()).rejects.toEqual(banned)
    expect(made.registry.nodes.find(podAgent)?.serialNumber).toBe('')
  })

  it('beside others of the same node leaves one of their certificates current', async () => {
    const { attest, registry } = await scene()
    const results = await Promise.all(Array.from({ length: 200 }, attest))
    const serials = results.map(({ svid }) => svid.serialNumber)
    expect(serials).toContain(registry.nodes.find(podAgent)?.serialNumber)
    expect(registry.nodes.count()).toBe(1)
  })
})

describe('a renewal', () => {
  const renew = ({ state, signer }: Scene, id: string) =>
    renewAgent(id, { state, signer, cause, csr: () => csr })

  it('is for agents that cannot attest again', async () => {
    const made = await scene()
    await made.attest()
    await expect(renew(made, podAgent)).rejects.toEqual(
      refused('ERR_AGENT_MUST_REATTEST', 'agent must reattest instead of renew'),
    )
    await expect(renew(made, `${podAgent}/none`)).rejects.toEqual(
      refused('ERR_AGENT_NOT_FOUND', 'agent not found'),
    )
  })

  it('waits beside the current certificate, the latest one', async () => {
    const made = await scene()
    const id = tokenAgent(await made.token({ token: 't' }))
    await made.join('t')
    await renew(made, id)
    const { serialNumber } = await renew(made, id)
    expect(made.registry.nodes.find(id)).toMatchObject({
      serialNumber: '1',
      newSerialNumber: serialNumber,
    })
  })

  it('that an eviction and a new attestation overtake leaves no certificate behind [gate 14]', async () => {
    const made = await scene()
    const id = tokenAgent(await made.token({ token: 't' }))
    await made.join('t')
    const original = made.signer.issueAgentSvid
    made.signer.issueAgentSvid = async (request) => {
      made.signer.issueAgentSvid = original
      const late = await original(request)
      await evictAgent(made.state, id, cause)
      await made.token({ token: 't' })
      await made.join('t')
      return late
    }
    await expect(renew(made, id)).rejects.toEqual(refused('ERR_AGENT_NOT_FOUND', 'agent not found'))
    expect(made.registry.nodes.find(id)).toMatchObject({ serialNumber: '3', newSerialNumber: '' })
  })

  it('does not reach an agent that is banned meanwhile', async () => {
    const made = await scene()
    const id = tokenAgent(await made.token({ token: 't' }))
    await made.join('t')
    const original = made.signer.issueAgentSvid
    made.signer.issueAgentSvid = async (request) => {
      await banAgent(made.state, id, cause)
      return await original(request)
    }
    await expect(renew(made, id)).rejects.toMatchObject({ code: 'ERR_AGENT_BANNED' })
    expect(made.registry.nodes.find(id)).toMatchObject({ serialNumber: '', newSerialNumber: '' })
  })
})

describe('an eviction', () => {
  it('takes the alias entry of a join token along, and nothing else', async () => {
    const { token, join, state, registry } = await scene()
    await token({ token: 't', agent: 'spiffe://example.org/host' })
    await join('t')
    expect(registry.entries.size).toBe(1)
    const gone = await evictAgent(state, tokenAgent('t'), cause)
    expect(gone.map(({ spiffeId }) => String(spiffeId))).toEqual(['spiffe://example.org/host'])
    expect([registry.entries.size, registry.nodes.size]).toEqual([0, 0])
    await expect(evictAgent(state, tokenAgent('t'), cause)).rejects.toEqual(
      refused('ERR_AGENT_NOT_FOUND', 'agent not found'),
    )
  })
})

describe('an agent’s version', () => {
  it('is noted when it is short enough', async () => {
    const { attest, state, registry } = await scene()
    await attest()
    await postStatus(state, podAgent, '', cause)
    await postStatus(state, podAgent, 'é'.repeat(127), cause)
    expect(registry.nodes.find(podAgent)?.agentVersion).toHaveLength(127)
    await expect(postStatus(state, podAgent, 'é'.repeat(128), cause)).rejects.toEqual(
      refused('ERR_AGENT_VERSION_TOO_LONG', 'agent version is too long (max 255 characters)'),
    )
  })
})

describe('pruning nodes', () => {
  const options = { includesNonReattestable: false, batchSize: 10, cause }

  it('spares banned ones, those that cannot attest again, and those that are not due', async () => {
    const { attest, token, join, state, time } = await scene()
    await attest()
    await token({ token: 't', agent: 'spiffe://example.org/host' })
    await join('t')
    const expiredBeforeSeconds = time.ms / 1000 + 3600
    const due = { ...options, state, expiredBeforeSeconds: expiredBeforeSeconds + 1 }
    const nothing = { spiffeIds: [], aliases: [] }
    expect(await pruneNodes({ ...due, expiredBeforeSeconds })).toEqual(nothing)
    await banAgent(state, podAgent, cause)
    expect(await pruneNodes(due)).toEqual(nothing)
    expect(await pruneNodes({ ...due, includesNonReattestable: true })).toMatchObject({
      spiffeIds: [tokenAgent('t')],
      aliases: [{ spiffeId: SpiffeId.parse('spiffe://example.org/host') }],
    })
  })

  it('takes at most a batch at a time', async () => {
    const { token, join, state, time } = await scene()
    for (const name of ['a', 'b', 'c']) await join(await token({ token: name }))
    const expiredBeforeSeconds = time.ms / 1000 + 4000
    const due = { ...options, state, expiredBeforeSeconds, includesNonReattestable: true }
    expect(await pruneNodes({ ...due, batchSize: 2 })).toMatchObject({ spiffeIds: { length: 2 } })
    expect(await pruneNodes({ ...due, batchSize: 2 })).toMatchObject({ spiffeIds: { length: 1 } })
  })
})
