import { openUnixChannel } from '@mini-spire/runtime/grpc/channel'
import { type ClientOf, createClient } from '@mini-spire/runtime/grpc/client'
import { SpiffeWorkloadAPIService } from '@mini-spire/sdk/internal/spiffe/workload/workload'
import { AgentDeployment, ServerDeployment } from '../kit/deployment.ts'
import type { Scene } from '../kit/processes.ts'
import { spire } from './programs.ts'

export type WorkloadApi = ClientOf<typeof SpiffeWorkloadAPIService>

/** The ID that both nodes have, below which entries are for both. */
export const nodes = 'spiffe://example.org/nodes'

/** Every call has this header. */
export const securityHeader: Readonly<Record<string, string>> = { 'workload.spiffe.io': 'true' }

/** A server of ours with an agent of ours and one of SPIRE, in this order, for which the same entries hold. */
export interface TwoAgents {
  readonly server: ServerDeployment
  readonly agents: readonly AgentDeployment[]
  readonly apis: readonly WorkloadApi[]
}

/** Starts them, with these settings in both agents. */
export async function startTwoAgents(scene: Scene, settings: string): Promise<TwoAgents> {
  if (!spire) throw new Error('no programs')
  const server = await ServerDeployment.start(scene, {
    settings: 'experimental { agent_spiffe_id_as_selector = true }',
  })
  const agents = [
    await AgentDeployment.start(scene, server, { name: 'ours', settings }),
    await AgentDeployment.start(scene, server, {
      name: 'spire',
      program: spire.agent,
      cli: spire.agent,
      settings,
    }),
  ]
  const attested: { readonly agents: readonly { readonly id: { readonly path: string } }[] } =
    JSON.parse(server.must('agent', 'list', '-output', 'json'))
  for (const { id } of attested.agents) {
    const selector = `spiffe_id:spiffe://example.org${id.path}`
    server.must('entry', 'create', '-node', '-spiffeID', nodes, '-selector', selector)
  }
  const apis = agents.map((agent) => {
    const channel = openUnixChannel(agent.socket)
    scene.defer(async () => channel.close())
    return createClient(SpiffeWorkloadAPIService, channel)
  })
  return { server, agents, apis }
}

/** A selector that this process has. */
export function ownSelector(): string {
  return `unix:uid:${process.getuid?.() ?? 0}`
}

/** What a token says, without its times and its signature. */
export function plainToken(token: string): object {
  const [header, claims] = token
    .split('.', 2)
    .map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()))
  return { header, claims: { ...claims, iat: 0, exp: claims.exp - claims.iat } }
}
