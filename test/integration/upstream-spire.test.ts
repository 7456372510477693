import { systemClock } from '@mini-spire/runtime/clock'
import { silentLogger } from '@mini-spire/runtime/log/logger'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { SpireUpstreamAuthority } from '@mini-spire/server/plugins/upstream-authority/spire/spire-authority'
import { upstreamAuthorityContract } from '@mini-spire/server/plugins/upstream-authority/upstream-authority.contract'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AgentDeployment, ServerDeployment } from '../kit/deployment.ts'
import { ours, Scene } from '../kit/processes.ts'
import { agentIds, fetchUntilServed, registerUser } from '../spire/programs.ts'

// A whole server above, and an agent that gives this process the identity of a downstream server.
let scene: Scene
let port: number
let workloadApi: string
const opened: SpireUpstreamAuthority[] = []

beforeAll(async () => {
  scene = new Scene()
  const root = await ServerDeployment.start(scene, { name: 'root' })
  const agent = await AgentDeployment.start(scene, root)
  registerUser(root, agentIds(root)[0] ?? '', '/downstream', '-downstream')
  fetchUntilServed(agent, ours.agent, 'x509')
  port = root.port
  workloadApi = agent.address
})
afterAll(async () => {
  for (const authority of opened) await authority[Symbol.asyncDispose]()
  await scene[Symbol.asyncDispose]()
})

upstreamAuthorityContract({ describe, it, expect }, 'spire', async () => {
  const authority = new SpireUpstreamAuthority({
    server: {
      address: '127.0.0.1',
      port,
      workloadApi,
      requiresPqKem: false,
    },
    trustDomain: TrustDomain.parse('example.org'),
    clock: systemClock,
    log: silentLogger,
  })
  opened.push(authority)
  return { authority, now: new Date() }
})
