import { execFileSync } from 'node:child_process'
import { expect } from 'vitest'
import { agentIds, fetchUntilServed, registerUser, until } from '../spire/programs.ts'
import { AgentDeployment, ServerDeployment } from './deployment.ts'
import { ours, type Programs, type Scene } from './processes.ts'

const quickSync = 'experimental { sync_interval = "1s" }'

/** A root server with an agent, and a server below it with an agent of its own. */
interface Nest {
  readonly root: ServerDeployment
  readonly rootAgent: AgentDeployment
  readonly below: ServerDeployment
  readonly agent: AgentDeployment
}

async function nest(scene: Scene, upper: Programs, lower: Programs): Promise<Nest> {
  const root = await ServerDeployment.start(scene, { name: 'root', program: upper.server })
  const rootAgent = await AgentDeployment.start(scene, root, {
    name: 'root-agent',
    program: upper.agent,
    settings: quickSync,
  })
  const [parent = ''] = agentIds(root)
  registerUser(root, parent, '/downstream', '-downstream')
  fetchUntilServed(rootAgent, ours.agent, 'x509')
  const below = await ServerDeployment.start(scene, {
    name: 'below',
    program: lower.server,
    morePlugins: `UpstreamAuthority "spire" { plugin_data {
      server_address = "127.0.0.1" server_port = "${root.port}" workload_api_socket = "${rootAgent.socket}"
    } }`,
  })
  const agent = await AgentDeployment.start(scene, below, {
    name: 'below-agent',
    program: lower.agent,
    settings: quickSync,
  })
  const [lowerParent = ''] = agentIds(below)
  registerUser(below, lowerParent, '/web')
  return { root, rootAgent, below, agent }
}

/** Fetches the workload's SVID to files and has openssl verify it with the roots of the root server. */
function verify(scene: Scene, { root, agent }: Nest): string {
  const out = scene.makeFolder('svid')
  fetchUntilServed(agent, ours.agent, 'x509', '-write', out)
  const svid = `${out}/svid.0.pem`
  return execFileSync(
    'openssl',
    ['verify', '-CAfile', root.writeBundle(), '-untrusted', svid, svid],
    { encoding: 'utf8' },
  )
}

/**
 * Nests a server below another and proves it: chains lead to the root, JWT-SVIDs are known everywhere, and a forced rotation
 * above reaches the workload below with no agent attesting again.
 */
export async function proveNested(scene: Scene, upper: Programs, lower: Programs): Promise<void> {
  const made = await nest(scene, upper, lower)
  const { root, rootAgent, below, agent } = made
  expect(verify(scene, made)).toContain(': OK')
  expect(below.must('bundle', 'show')).toBe(root.must('bundle', 'show'))

  const fetched = fetchUntilServed(agent, ours.agent, 'jwt', '-audience', 'a').stdout
  const token = /ey[\w.-]+/.exec(fetched)?.[0] ?? ''
  const validate = (): boolean =>
    rootAgent.cli('api', 'validate', 'jwt', '-audience', 'a', '-svid', token).status === 0
  until(validate, 'the token is valid at the root')

  const show = (): { active: { authority_id: string } } =>
    JSON.parse(root.must('localauthority', 'x509', 'show', '-output', 'json'))
  const former = show().active.authority_id
  const prepared = JSON.parse(root.must('localauthority', 'x509', 'prepare', '-output', 'json'))
    .prepared_authority.authority_id
  const count = (): number => below.must('bundle', 'show').split('BEGIN').length - 1
  until(() => count() === 2, 'the new root is known below')
  root.must('localauthority', 'x509', 'activate', '-authorityID', prepared)
  root.must('localauthority', 'x509', 'taint', '-authorityID', former)
  const upstreamOf = (): string =>
    JSON.parse(below.must('localauthority', 'x509', 'show', '-output', 'json')).active
      .upstream_authority_subject_key_id
  until(() => upstreamOf() === prepared, 'the server below has left the tainted root')
  until(() => {
    const chain = fetchUntilServed(agent, ours.agent, 'x509', '-output', 'json').stdout
    return chain.length > 0 && isBelow(scene, made, prepared)
  }, 'the workload has left the tainted root')
  root.must('localauthority', 'x509', 'revoke', '-authorityID', former)
  until(() => count() === 1, 'the old root is gone below')
  expect(below.must('bundle', 'show')).toBe(root.must('bundle', 'show'))
  until(() => {
    try {
      return verify(scene, made).includes(': OK')
    } catch {
      return false
    }
  }, 'the workload leads to the new root')
  expect(agentIds(below)).toHaveLength(1)
}

/** Whether the workload's chain ends below the authority with this subject key identifier. */
function isBelow(scene: Scene, { agent }: Nest, subjectKeyId: string): boolean {
  const out = scene.makeFolder('svid')
  fetchUntilServed(agent, ours.agent, 'x509', '-write', out)
  const text = execFileSync(
    'openssl',
    ['storeutl', '-noout', '-text', '-certs', `${out}/svid.0.pem`],
    { encoding: 'utf8' },
  )
  return text.replaceAll(':', '').toLowerCase().includes(subjectKeyId)
}
