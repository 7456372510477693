import { AgentDeployment, ServerDeployment } from './deployment.ts'
import type { Programs, Scene } from './processes.ts'

const refused =
  'rpc error: code = Unavailable desc = connection error: desc = \\\\"transport: Error while dialing: dial tcp 127\\.0\\.0\\.1:\\d+: connect: connection refused\\\\"'

/** What an agent logs that finds no server. */
export const neverThere: RegExp = new RegExp(
  `level=warning msg="Failed to retrieve attestation result" error="could not open attestation stream to SPIRE server: ${refused}" retry_interval=`,
)

/** What an agent logs whose server has gone. */
export const goneLines: readonly RegExp[] = [
  new RegExp(`level=error msg="Failed to fetch authorized entries" error="${refused}"`),
  new RegExp(
    `level=error msg="Synchronize failed" error="failed to fetch authorized entries: ${refused}"`,
  ),
]

/** What an agent logs that loses its server, and one that starts without it. */
export async function playServerAway(
  scene: Scene,
  programs: Programs,
): Promise<{ readonly left: string; readonly lonely: string }> {
  const server = await ServerDeployment.start(scene, { program: programs.server })
  const left = await AgentDeployment.start(scene, server, {
    program: programs.agent,
    settings: 'experimental { sync_interval = "1s" }',
  })
  const options = { name: 'lonely', program: programs.agent }
  const lonely = AgentDeployment.prepare(scene, server, options)
  const token = server.token()
  await server.daemon.stop('SIGKILL')
  await left.daemon.waitFor('Synchronize failed', { times: 2 })
  await lonely.begin(['-joinToken', token]).waitFor('retry_interval=')
  return { left: left.daemon.output, lonely: lonely.daemon.output }
}
