import type { WrongDocument } from '@mini-spire/sdk/testing/platforms'
import { expect } from 'vitest'
import { azureImds } from './azure-evidence.ts'
import { AgentDeployment, ServerDeployment } from './deployment.ts'
import { type Programs, Scene } from './processes.ts'
import { withRoot } from './program-roots.ts'

const chain = 'certificate chain validation failed: '
/** What an agent is told of each wrong document. */
const reasons: Readonly<Partial<Record<WrongDocument, string>>> = {
  'other-root': chain,
  'expired-signer': chain,
  'other-name': 'signing certificate validation failed: certificate does not have any valid',
  'other-purpose': chain,
  'signer-in-the-bag': chain,
  'second-signer': 'expected exactly one signer certificate in PKCS7 signature',
  'other-nonce': 'nonce mismatch',
  changed: 'signature verification failed: ',
}

/** Starts a server, and agents with documents of which each has something wrong; then one with a good one, and that again. */
export async function expectDocumentsRefused(
  programs: Pick<Programs, 'server' | 'agent'>,
): Promise<void> {
  await using scene = new Scene()
  const { azure, evidence } = await azureImds(scene)
  const { builtInRoot, serverEnvironment, agentEnvironment } = evidence
  const folder = scene.makeFolder('plugins')
  const server = await ServerDeployment.start(scene, {
    program: builtInRoot ? withRoot(scene, programs.server, builtInRoot) : programs.server,
    ...(serverEnvironment && { env: serverEnvironment }),
    plugins: `
    DataStore "sql" { plugin_data { database_type = "sqlite3" connection_string = "${folder}/db" } }
    KeyManager "memory" { plugin_data {} }
    ${evidence.server}`,
    settings: 'ratelimit = { attestation = false }',
  })
  const prepare = (name: string): AgentDeployment =>
    AgentDeployment.prepare(scene, server, {
      name,
      program: programs.agent,
      ...(agentEnvironment && { env: agentEnvironment }),
      plugins: `
      KeyManager "memory" { plugin_data {} }
      WorkloadAttestor "unix" { plugin_data {} }
      ${evidence.agent}`,
    })
  // Agents try again for as long as they run: what the first try is told is what counts.
  const expectRefused = async (name: string, reason: RegExp): Promise<void> => {
    const daemon = prepare(name).begin()
    await daemon.waitFor(reason)
    await daemon.stop('SIGKILL')
  }
  for (const [index, [wrong, reason]] of Object.entries(reasons).entries()) {
    azure.wrongDocument = wrong as WrongDocument
    await expectRefused(
      `agent-${index}`,
      new RegExp(`InvalidArgument desc = nodeattestor\\(azure_imds\\): .*${reason}`),
    )
  }
  expect(agentCount(server)).toBe(0)
  azure.wrongDocument = undefined
  await prepare('good').restart()
  await expectRefused(
    'again',
    /PermissionDenied desc = .*attestation data has already been used to attest an agent/,
  )
  expect(agentCount(server)).toBe(1)
}

function agentCount(server: ServerDeployment): number {
  return JSON.parse(server.must('agent', 'list', '-output', 'json')).agents.length
}
