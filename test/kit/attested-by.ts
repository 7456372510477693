import { expect } from 'vitest'
import { AgentDeployment, ServerDeployment } from './deployment.ts'
import type { EvidenceKind } from './node-evidence.ts'
import { type Program, Scene } from './processes.ts'
import { withRoot } from './program-roots.ts'

/** Starts a server and an agent that attests by this kind of evidence, and looks at what came of it. */
export async function expectAttested(
  kind: EvidenceKind,
  programs: { readonly server: Program; readonly agent: Program },
): Promise<void> {
  await using scene = new Scene()
  const evidence = await kind.make(scene)
  const folder = scene.makeFolder('plugins')
  const { builtInRoot, agentEnvironment } = evidence
  const server = await ServerDeployment.start(scene, {
    program: builtInRoot ? withRoot(scene, programs.server, builtInRoot) : programs.server,
    ...(evidence.serverEnvironment && { env: evidence.serverEnvironment }),
    plugins: `
    DataStore "sql" { plugin_data { database_type = "sqlite3" connection_string = "${folder}/db" } }
    KeyManager "memory" { plugin_data {} }
    ${evidence.server}`,
  })
  await AgentDeployment.start(scene, server, {
    program: programs.agent,
    args: [],
    ...(agentEnvironment && { env: agentEnvironment }),
    plugins: `
    KeyManager "memory" { plugin_data {} }
    WorkloadAttestor "unix" { plugin_data {} }
    ${evidence.agent}`,
  })
  const { agents } = JSON.parse(server.must('agent', 'list', '-output', 'json'))
  expect(agents).toHaveLength(1)
  const [{ id, attestation_type, selectors }] = agents
  expect(attestation_type).toBe(kind.name)
  expect(`spiffe://${id.trust_domain}${id.path}`).toMatch(evidence.agentId)
  const found = selectors.map((one: { type: string; value: string }) => `${one.type}:${one.value}`)
  expect(found.sort()).toEqual(evidence.selectors)
}
