import { AgentDeployment, ServerDeployment } from './deployment.ts'
import { OidcProviderDeployment } from './oidc-provider.ts'
import { type Program, Scene } from './processes.ts'

/** Which programs play together. */
export interface Pairing {
  readonly provider: Program
  readonly server: Program
  readonly agent: Program
  /** Whom the provider asks for its keys. */
  readonly way: 'server' | 'agent'
}

/**
 * A provider shows the keys of a server: the first, a prepared one, and no longer one that was revoked. It outlives the server, or
 * the agent that it asks.
 */
export async function followKeys({
  provider: program,
  server: serverProgram,
  agent: agentProgram,
  way,
}: Pairing): Promise<void> {
  await using scene = new Scene()
  const server = await ServerDeployment.start(scene, { program: serverProgram })
  const source =
    way === 'server' ? serverSource(server) : await agentSource(scene, server, agentProgram)
  const provider = await OidcProviderDeployment.start(scene, { program, source })
  const show = async (): Promise<Record<string, { authority_id: string } | undefined>> =>
    JSON.parse(await server.ask('localauthority', 'jwt', 'show', '-output', 'json'))
  const first = (await show())['active']?.authority_id ?? ''
  await provider.untilKids([first])
  await server.ask('localauthority', 'jwt', 'prepare')
  const second = (await show())['prepared']?.authority_id ?? ''
  await provider.untilKids([first, second])
  for (const [step, id] of [
    ['activate', second],
    ['taint', first],
    ['revoke', first],
  ] as const) {
    await server.ask('localauthority', 'jwt', step, '-authorityID', id)
  }
  await provider.untilKids([second])
  await server.daemon.stop('SIGKILL')
  if (way === 'server') await provider.daemon.waitFor('Failed to fetch bundle')
  await provider.untilKids([second])
  if ((await provider.health('/ready')) !== 200) throw new Error('not ready any more')
}

function serverSource(server: ServerDeployment): string {
  return `server_api { address = "unix://${server.socket}" poll_interval = "100ms" }`
}

async function agentSource(
  scene: Scene,
  server: ServerDeployment,
  program: Program,
): Promise<string> {
  const node = `spiffe://${server.trustDomain}/node`
  const token = (await server.ask('token', 'generate', '-spiffeID', node)).split(/\s/)[1] ?? ''
  const agent = await AgentDeployment.start(scene, server, {
    program,
    args: ['-joinToken', token],
  })
  const selector = `unix:uid:${process.getuid?.() ?? 0}`
  const id = `spiffe://${server.trustDomain}/oidc`
  await server.ask('entry', 'create', '-parentID', node, '-spiffeID', id, '-selector', selector)
  const keys = `socket_path = "${agent.socket}" trust_domain = "${server.trustDomain}"`
  return `workload_api { ${keys} poll_interval = "100ms" }`
}
