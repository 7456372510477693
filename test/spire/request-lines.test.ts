import { writeFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { AgentDeployment, ServerDeployment } from '../kit/deployment.ts'
import { makeNodeCertificate, x509PopPlugins } from '../kit/node-certificate.ts'
import { type AllPrograms, ours, Scene } from '../kit/processes.ts'
import { isSpireMissing, spire } from './programs.ts'

const away = ['-bundleEndpointURL', 'https://127.0.0.1:1', '-bundleEndpointProfile']
const endpoint = ['-trustDomain', 'b.org', ...away, 'https_web']
const noAgent = ['-spiffeID', 'spiffe://example.org/spire/agent/none']

/** What an operator asks for: what succeeds, what is refused, and what is not there. */
function requests(agent: string, bundle: string): readonly (readonly string[])[] {
  const workload = ['-parentID', agent, '-spiffeID', 'spiffe://example.org/w']
  const entry = [...workload, '-selector', 'unix:uid:0']
  const federated = [...workload, '-selector', 'a:b', '-federatesWith']
  const set = (id: string): readonly string[] => [
    ...['bundle', 'set', '-id', id],
    ...['-format', 'spiffe', '-path', bundle],
  ]
  return [
    ['entry', 'create', '-entryID', 'w2', ...entry],
    ['entry', 'create', '-entryID', 'w', ...entry, '-selector', 'unix:gid:9'],
    ['entry', 'create', ...federated, 'spiffe://none.org'],
    ['entry', 'update', '-entryID', 'w', ...entry, '-dns', 'a.b', '-hint', 'h'],
    ['entry', 'update', '-entryID', 'nope', ...entry],
    ['entry', 'show', '-entryID', 'w'],
    ['entry', 'show', '-entryID', 'nope'],
    ['entry', 'show', '-spiffeID', 'spiffe://example.org/w', '-selector', 'a:b'],
    ['entry', 'show', '-federatesWith', 'spiffe://b.org', '-downstream'],
    ['entry', 'count'],
    ['entry', 'delete', '-entryID', 'nope'],
    ['agent', 'count'],
    ['agent', 'list', '-attestationType', 'x509pop', '-selector', 'a:b', '-banned', 'false'],
    ['agent', 'show', '-spiffeID', agent],
    ['agent', 'show', ...noAgent],
    ['agent', 'evict', ...noAgent],
    ['agent', 'ban', ...noAgent],
    ['bundle', 'list'],
    ['bundle', 'count'],
    set('spiffe://b.org'),
    set('spiffe://example.org'),
    ['entry', 'create', '-entryID', 'f', ...federated, 'spiffe://b.org'],
    ['bundle', 'delete', '-id', 'spiffe://b.org'],
    ['bundle', 'delete', '-id', 'spiffe://b.org', '-mode', 'dissociate'],
    ['bundle', 'delete', '-id', 'spiffe://b.org'],
    ['bundle', 'list', '-id', 'spiffe://c.org'],
    ['federation', 'create', ...endpoint],
    ['federation', 'create', ...endpoint],
    [
      ...['federation', 'create', '-trustDomain', 'c.org', ...away, 'https_spiffe'],
      ...['-endpointSpiffeID', 'spiffe://c.org/e'],
    ],
    ['federation', 'show', '-trustDomain', 'b.org'],
    ['federation', 'show', '-trustDomain', 'z.org'],
    ['federation', 'list'],
    ['federation', 'refresh', '-id', 'z.org'],
    ['federation', 'update', ...endpoint],
    ['federation', 'delete', '-id', 'b.org'],
    ['federation', 'delete', '-id', 'b.org'],
    ['token', 'generate', '-spiffeID', 'spiffe://example.org/host'],
    ['token', 'generate', '-ttl', '0'],
    ['x509', 'mint', '-spiffeID', 'spiffe://example.org/m', '-dns', 'x.y'],
    ['x509', 'mint', '-spiffeID', 'spiffe://other.org/m'],
    ['jwt', 'mint', '-spiffeID', 'spiffe://example.org/m', '-audience', 'a'],
    ['logger', 'get'],
    ['logger', 'set', '-level', 'debug'],
    ['logger', 'reset'],
    ['healthcheck'],
    ['upstreamauthority', 'taint', '-subjectKeyID', 'ab'],
  ]
}

/** @param heard waits until the agent has heard of the mark: else it would not trust what comes afterwards */
async function rotate(
  server: ServerDeployment,
  kind: 'x509' | 'jwt',
  heard: () => Promise<unknown>,
): Promise<void> {
  const ask = (verb: string, id?: string) =>
    server.cli('localauthority', kind, verb, ...(id ? ['-authorityID', id] : []), '-output', 'json')
  const idOf = (verb: string): string => {
    const [state] = Object.values(JSON.parse(ask(verb).stdout)) as [{ authority_id: string }]
    return state.authority_id
  }
  const old = idOf('show')
  for (const verb of ['taint', 'revoke']) ask(verb, old)
  ask('activate', 'x')
  ask('activate', idOf('prepare'))
  for (const verb of ['revoke', 'taint']) ask(verb, old)
  await heard()
  ask('revoke', old)
}

/** The log of a server that all this is asked of, and an agent of SPIRE's that is evicted in the end, then banned. */
async function logOf(programs: AllPrograms, agentProgram: AllPrograms): Promise<string> {
  await using scene = new Scene()
  const node = makeNodeCertificate(scene.folder, 'node')
  const server = await ServerDeployment.start(scene, {
    program: programs.server,
    settings: 'audit_log_enabled = true',
    morePlugins: `NodeAttestor "x509pop" { plugin_data { ca_bundle_path = "${node.ca}" } }`,
  })
  const { daemon } = await AgentDeployment.start(scene, server, {
    program: agentProgram.agent,
    args: [],
    settings: 'experimental { sync_interval = "1s" }',
    plugins: x509PopPlugins(node),
  })
  const { agents } = JSON.parse(server.must('agent', 'list', '-output', 'json'))
  const agent = `spiffe://example.org${agents[0].id.path}`
  const workload = ['-parentID', agent, '-spiffeID', 'spiffe://example.org/w']
  server.must('entry', 'create', '-entryID', 'w', ...workload, '-selector', 'unix:uid:0')
  await daemon.waitFor('Creating X509-SVID')
  const bundle = scene.path('bundle.json')
  writeFileSync(bundle, server.must('bundle', 'show', '-format', 'spiffe'))
  for (const request of requests(agent, bundle)) server.cli(...request)
  await rotate(server, 'x509', () => daemon.waitFor('Successfully reattested'))
  await rotate(server, 'jwt', () => Promise.resolve())
  server.must('agent', 'evict', '-spiffeID', agent)
  await daemon.waitFor('Successfully reattested', { times: 2 })
  server.must('agent', 'ban', '-spiffeID', agent)
  await server.daemon.waitFor('Agent is banned')
  await daemon.stop()
  await server.daemon.stop()
  return server.daemon.output
}

/** What stands in the lines of requests, each kind once: level, message, method, and the names of all other fields. */
function kindsOfLines(log: string): readonly string[] {
  const kinds = new Set<string>()
  for (const line of log.split('\n')) {
    const fields = new Map(
      [...line.matchAll(/(\w+)=("(?:[^"\\]|\\.)*"|\S*)/g)].map(([, name = '', value = '']) => [
        name,
        value,
      ]),
    )
    if (fields.get('subsystem_name') !== 'api' || !fields.has('method')) continue
    // Whether the agent asks for a bundle while there is one is chance.
    if (fields.get('method') === 'GetFederatedBundle' && fields.has('caller_addr')) continue
    const said = ['level', 'msg', 'method', 'status'].map((name) => fields.get(name) ?? '')
    const names = [...fields.keys()].filter((name) => !['time', 'level', 'msg'].includes(name))
    kinds.add(`${said.join(' ')} ${names.sort().join(',')}`)
  }
  return [...kinds].sort()
}

it.skipIf(isSpireMissing())(
  'every request is logged and audited as SPIRE logs and audits it',
  async () => {
    if (!spire) return
    const [theirs, own] = [await logOf(spire, spire), await logOf(ours, spire)]
    expect(kindsOfLines(own)).toEqual(kindsOfLines(theirs))
  },
)
