import { copyFileSync } from 'node:fs'
import { AgentDeployment, ServerDeployment } from './deployment.ts'
import { goPeer, goPlugins } from './peers.ts'
import {
  type Daemon,
  type Finished,
  finishProgram,
  freePort,
  type Programs,
  type Scene,
} from './processes.ts'

const domain = 'example.org'
const pidType = 'type.googleapis.com/spiffe.broker.WorkloadPIDReference'
const objectType = 'type.googleapis.com/spiffe.broker.KubernetesObjectReference'

/** A server, an agent with a broker endpoint on a Unix socket and a port, brokers, and workloads that are processes. */
export interface BrokerScene {
  readonly server: ServerDeployment
  readonly agent: AgentDeployment
  /** gRPC targets of the endpoint. */
  readonly local: string
  readonly remote: string
  readonly pids: Readonly<Record<'web' | 'nobody', number>>
  readonly web: Daemon
  /** Registers an identity for who runs a program of the scene. */
  register(path: string, program: string, ...more: readonly string[]): void
  /** Runs the Go peer as one of the brokers to its end. */
  ask(broker: BrokerName, ...args: readonly string[]): Promise<Finished>
  /** Starts the Go peer as one of the brokers. */
  follow(broker: BrokerName, ...args: readonly string[]): Daemon
}

/** `broker` may use every type of reference, over TCP processes only; `restricted` objects only; `stranger` is in no list. */
export type BrokerName = 'broker' | 'restricted' | 'stranger'

/** What a scene has beside processes and texts. */
export interface BrokerSceneOptions {
  /** More plugins of the agent. */
  readonly plugins?: string
  readonly env?: NodeJS.ProcessEnv
  /** More entries, as path and selector. */
  readonly entries?: readonly (readonly [path: string, selector: string])[]
}

/** Starts everything, and waits until the brokers have their identities. */
export async function startBrokerScene(
  scene: Scene,
  programs: Programs,
  more: BrokerSceneOptions = {},
): Promise<BrokerScene> {
  const [peer, plugins] = [await goPeer(), await goPlugins()]
  const server = await ServerDeployment.start(scene, { program: programs.server })
  const port = await freePort()
  scene.makeFolder('agent-broker')
  const socket = scene.path('agent-broker', 'broker.sock')
  const agent = await AgentDeployment.start(scene, server, {
    program: programs.agent,
    cli: programs.agent,
    settings: `experimental {
      broker {
        socket_path = "${socket}"
        bind_address = "127.0.0.1:${port}"
        brokers = [
          { id = "spiffe://${domain}/broker", allowed_reference_types = [{ type_url = "*", allow_over_tcp = true }] },
          { id = "spiffe://${domain}/restricted", allowed_reference_types = [
            { type_url = "${objectType}", allow_over_tcp = true }, { type_url = "${pidType}" }
          ] },
        ]
      }
    }`,
    morePlugins: `WorkloadAttestor "refs" {
      plugin_cmd = "${plugins}"
      plugin_args = ["reference-attestor"]
      plugin_data { value = "x" }
    }
    ${more.plugins ?? ''}`,
    ...(more.env && { env: more.env }),
  })
  await agent.daemon.waitFor('Starting SPIFFE Broker Endpoint', { times: 2 })
  const { agents } = JSON.parse(server.must('agent', 'list', '-output', 'json'))
  const parent = `spiffe://${domain}${agents[0].id.path}`
  const program = (name: string): string => scene.path(name)
  const enter = (path: string, ...flags: readonly string[]): void =>
    void server.must(
      ...['entry', 'create', '-parentID', parent, '-spiffeID', `spiffe://${domain}${path}`],
      ...['-entryID', path.slice(1), ...flags],
    )
  const register = (path: string, name: string, ...flags: readonly string[]): void =>
    enter(path, '-selector', `unix:path:${program(name)}`, ...flags)
  for (const name of ['web', 'nobody']) copyFileSync('/bin/sleep', program(name))
  register('/web', 'web', '-hint', 'main', '-jwtSVIDTTL', '300')
  register('/web-other', 'web', '-hint', 'other')
  enter('/text', '-selector', 'refs:text:shop')
  const asked = ['-selector', `refs:caller:spiffe://${domain}/broker`]
  enter('/text-of-broker', '-selector', 'refs:text:shop', ...asked)
  register('/web-of-broker', 'web', ...asked)
  for (const [path, selector] of more.entries ?? []) enter(path, '-selector', selector)
  // Last: who has its own identity finds those of the workloads known.
  for (const name of ['broker', 'restricted', 'stranger']) {
    copyFileSync(peer, program(name))
    register(`/${name}`, name)
  }
  const start = (name: string): Daemon => scene.start({ command: program(name), args: ['600'] }, [])
  const [web, nobody] = [start('web'), start('nobody')]
  const pidOf = ({ process }: Daemon): number => process.pid ?? 0
  const args = ['broker', '-addr', agent.address]
  const as = (name: BrokerName): { command: string; args: string[] } => ({
    command: program(name),
    args,
  })
  return {
    server,
    agent,
    local: `unix:${socket}`,
    remote: `127.0.0.1:${port}`,
    pids: { web: pidOf(web), nobody: pidOf(nobody) },
    web,
    register,
    ask: (broker, ...asked) => finishProgram(as(broker), asked),
    follow: (broker, ...asked) => scene.start(as(broker), asked),
  }
}
