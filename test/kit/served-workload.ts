import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { AgentDeployment, type DeploymentOptions, ServerDeployment } from './deployment.ts'
import { ours, runProgram, Scene } from './processes.ts'

/** A server, an agent, and the user that runs the tests registered under one identity. */
export class ServedWorkload implements AsyncDisposable {
  readonly scene: Scene
  readonly server: ServerDeployment
  readonly agent: AgentDeployment
  readonly parentId: string
  readonly id: string

  private constructor(
    scene: Scene,
    server: ServerDeployment,
    agent: AgentDeployment,
    parentId: string,
    id: string,
  ) {
    this.scene = scene
    this.server = server
    this.agent = agent
    this.parentId = parentId
    this.id = id
  }

  static async start(
    settings: { readonly server?: string; readonly agent?: string } = {},
    both: Pick<DeploymentOptions, 'env' | 'logLevel'> = {},
    agentPlugins?: string,
  ): Promise<ServedWorkload> {
    const scene = new Scene()
    const server = await ServerDeployment.start(scene, {
      ...both,
      settings: settings.server ?? '',
    })
    const agent = await AgentDeployment.start(scene, server, {
      ...both,
      settings: settings.agent ?? '',
      ...(agentPlugins !== undefined && { plugins: agentPlugins }),
    })
    const { agents } = JSON.parse(server.must('agent', 'list', '-output', 'json'))
    const parentId = `spiffe://${server.trustDomain}${agents[0].id.path}`
    const made = new ServedWorkload(
      scene,
      server,
      agent,
      parentId,
      `spiffe://${server.trustDomain}/workload`,
    )
    made.register('/workload')
    made.untilServed()
    return made
  }

  get trustDomain(): TrustDomain {
    return TrustDomain.parse(this.server.trustDomain)
  }

  /** Registers another identity for the same user. */
  register(path: string, ...flags: readonly string[]): string {
    const id = `spiffe://${this.server.trustDomain}${path}`
    const selector = `unix:uid:${process.getuid?.() ?? 0}`
    this.server.must(
      'entry',
      'create',
      '-parentID',
      this.parentId,
      '-spiffeID',
      id,
      '-selector',
      selector,
      ...flags,
    )
    return id
  }

  /** Asks until the agent has heard of the entry; the agent's own command line paces the loop. */
  untilServed(): void {
    for (let tries = 0; tries < 60; tries++) {
      if (
        runProgram(ours.agent, ['api', 'fetch', 'x509', '-socketPath', this.agent.socket])
          .status === 0
      )
        return
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
    }
    throw new Error(`never served: ${this.agent.daemon.lastWords}`)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.scene[Symbol.asyncDispose]()
  }
}

/** The JSON lines a peer printed. */
export function jsonLines<Line>(text: string): readonly Line[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Line)
}
