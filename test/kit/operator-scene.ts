import { AgentDeployment, ServerDeployment } from './deployment.ts'
import { makeNodeCertificate, x509PopPlugins } from './node-certificate.ts'
import type { Daemon, Programs, Scene } from './processes.ts'

/** What both daemons logged. */
export interface OperatorLogs {
  readonly server: string
  readonly agent: string
}

/** Which of these messages a log does not have, as a line of its own with exactly that text. */
export function missingMessages(log: string, messages: readonly string[]): readonly string[] {
  const logged = new Set(
    [...log.matchAll(/ msg=(?:"((?:[^"\\]|\\.)*)"|(\S+))/g)].map(
      ([, quoted, bare]) => quoted ?? bare,
    ),
  )
  return messages.filter((message) => !logged.has(message))
}

/** Messages of the server that operators' scripts and alerts wait for, in the scene below. */
export const serverMessages: readonly string[] = [
  'Configured',
  'Plugin loaded',
  'Preparing X509 CA',
  'X509 CA prepared',
  'X509 CA activated',
  'Preparing JWT key',
  'JWT key prepared',
  'JWT key activated',
  'Journal loaded',
  'Starting Server APIs',
  'Agent attestation request completed',
  'X.509 authority tainted successfully',
  'Server SVID signed using a tainted authority, forcing rotation of the Server SVID',
  'Rotating server SVID',
  'X.509 authority revoked successfully',
  'JWT authority tainted successfully',
  'JWT authority revoked successfully',
  'Agent deleted',
  'Stopping Server APIs',
  'Server APIs have stopped',
  'Server stopped gracefully',
]

/** Messages of the agent. */
export const agentMessages: readonly string[] = [
  'Starting agent',
  'Plugin loaded',
  'Bundle loaded',
  'SVID is not found. Starting node attestation',
  'Node attestation was successful',
  'Starting agent APIs',
  'Starting Admin APIs',
  'Entry created',
  'Creating X509-SVID',
  'SVID updated',
  'Entry updated',
  'Bundle updated',
  'New tainted X.509 authorities found',
  'Tainted X.509 SVIDs',
  'Finished processing all tainted entries',
  'Agent SVID is tainted by a root authority, forcing rotation',
  'Entry removed',
  'Reattesting node',
  'Successfully reattested node',
  'Agent stopped gracefully',
]

/** What an agent that knows its trust domain's bundle says beside the messages of its first attestation. */
export const attestationFields: readonly string[] = [
  'Bundle loaded: subsystem_name trust_domain_id',
  'SVID is not found. Starting node attestation: subsystem_name trust_domain_id',
  'Node attestation was successful: reattestable spiffe_id subsystem_name trust_domain_id',
]

/** The first lines of an agent's log that {@link attestationFields} is about, with the names of their fields. */
export function attestationLines(log: string): readonly string[] {
  const lines = log.split('\n')
  return attestationFields.map((expected) => {
    const [message] = expected.split(': ')
    const line = lines.find((other) => other.includes(` msg="${message}"`)) ?? ''
    const names = [...line.replaceAll(/"[^"]*"/g, '').matchAll(/(\w+)=/g)].map(([, name]) => name)
    return `${message}: ${names.filter((name) => !['time', 'level', 'msg'].includes(name ?? '')).join(' ')}`
  })
}

/**
 * A day of an operator in some seconds: an agent attests, a workload is registered and served, authorities are prepared,
 * activated, tainted and revoked by hand, the agent is evicted and attests again, and both daemons are stopped.
 */
export async function playOperatorScene(scene: Scene, programs: Programs): Promise<OperatorLogs> {
  const node = makeNodeCertificate(scene.folder, 'node')
  const folder = scene.path('server')
  const server = await ServerDeployment.start(scene, {
    program: programs.server,
    plugins: `
    DataStore "sql" { plugin_data { database_type = "sqlite3" connection_string = "${folder}/datastore.sqlite3" } }
    KeyManager "disk" { plugin_data { keys_path = "${folder}/keys.json" } }
    NodeAttestor "x509pop" { plugin_data { ca_bundle_path = "${node.ca}" } }`,
  })
  const agent = await AgentDeployment.start(scene, server, {
    program: programs.agent,
    args: [],
    settings: 'experimental { sync_interval = "1s" }',
    plugins: x509PopPlugins(node),
  })
  const id = agentId(server)
  const selector = `unix:uid:${process.getuid?.() ?? 0}`
  const names = ['-parentID', id, '-spiffeID', 'spiffe://example.org/w', '-selector', selector]
  server.must('entry', 'create', '-entryID', 'w', ...names)
  await agent.daemon.waitFor('Creating X509-SVID')
  server.must('entry', 'update', '-entryID', 'w', ...names, '-selector', 'unix:gid:0')
  await agent.daemon.waitFor('Entry updated')
  await rotateByHand(server, agent.daemon)
  server.must('entry', 'delete', '-entryID', 'w')
  await agent.daemon.waitFor('Entry removed')
  server.must('agent', 'evict', '-spiffeID', id)
  await agent.daemon.waitFor('Successfully reattested')
  await agent.daemon.stop()
  await server.daemon.stop()
  return { server: server.daemon.output, agent: agent.daemon.output }
}

function agentId(server: ServerDeployment): string {
  const { agents } = JSON.parse(server.must('agent', 'list', '-output', 'json'))
  return `spiffe://example.org${agents[0].id.path}`
}

async function rotateByHand(server: ServerDeployment, agent: Daemon): Promise<void> {
  for (const kind of ['x509', 'jwt']) {
    const ask = (...args: readonly string[]): { authority_id: string } =>
      Object.values(
        JSON.parse(server.must('localauthority', kind, ...args, '-output', 'json')),
      )[0] as {
        authority_id: string
      }
    const old = ask('show').authority_id
    const next = ask('prepare').authority_id
    ask('activate', '-authorityID', next)
    ask('taint', '-authorityID', old)
    if (kind === 'x509') await agent.waitFor('tainted')
    ask('revoke', '-authorityID', old)
  }
}
