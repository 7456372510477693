import { AgentDeployment, ServerDeployment } from './deployment.ts'
import { type Program, type Programs, runProgram, type Scene } from './processes.ts'

/** A server and an agent whose every local user is a delegate, and one workload that looks like a pod. */
export interface DelegateScene {
  readonly agent: AgentDeployment
  /** What a client that asks for others, and for secrets, is told: lines without what differs from run to run. */
  readonly ask: (peer: Program) => string
}

const domain = 'example.org'

/** Starts both programs, and waits until the agent knows of the entries. */
export async function startDelegateScene(
  scene: Scene,
  programs: Pick<Programs, 'server' | 'agent'>,
): Promise<DelegateScene> {
  const server = await ServerDeployment.start(scene, { program: programs.server })
  const agent = await AgentDeployment.start(scene, server, {
    program: programs.agent,
    cli: programs.agent,
    settings: `authorized_delegates = ["spiffe://${domain}/delegate"]`,
  })
  const { agents } = JSON.parse(server.must('agent', 'list', '-output', 'json'))
  const parent = `spiffe://${domain}${agents[0].id.path}`
  const register = (path: string, selector: string, ...more: readonly string[]): void =>
    void server.must(
      ...['entry', 'create', '-parentID', parent, '-spiffeID', `spiffe://${domain}${path}`],
      ...['-selector', selector, ...more],
    )
  register('/pod', 'k8s:pod-name:web', '-hint', 'pod', '-jwtSVIDTTL', '300')
  register('/admin', 'k8s:pod-name:web', '-admin')
  register('/below', 'k8s:pod-name:web', '-downstream')
  register('/delegate', `unix:uid:${process.getuid?.() ?? 0}`)
  const isServed = (): boolean => agent.cli('api', 'fetch', 'x509').status === 0
  for (let tries = 0; !isServed(); tries++) {
    if (tries > 60) throw new Error(`never served: ${agent.daemon.lastWords}`)
    // A refusal costs a program next to nothing, and SPIRE's agent polls.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
  }
  const sockets = ['-public', agent.socket, '-admin', agent.adminSocket]
  const ask = (peer: Program): string => {
    const done = runProgram(peer, ['agent', ...sockets, '-selector', 'pod-name:web'])
    if (done.status !== 0) throw new Error(done.stderr)
    return done.stdout
  }
  return { agent, ask }
}
