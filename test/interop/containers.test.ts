import { dirname } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AgentDeployment, ServerDeployment } from '../kit/deployment.ts'
import { goPeer, isGoMissing } from '../kit/peers.ts'
import { type Finished, Scene } from '../kit/processes.ts'
import { jsonLines } from '../kit/served-workload.ts'
import { Engine, type EngineName, isEngineMissing } from './container-engine.ts'

const engines: readonly EngineName[] = ['docker', 'podman']

describe.each(engines)('a workload in a container of %s', (name) => {
  describe.skipIf(isEngineMissing(name) || isGoMissing())('asks our agent', () => {
    let scene: Scene
    let engine: Engine
    let agent: AgentDeployment
    beforeAll(async () => {
      scene = new Scene()
      engine = await Engine.start(scene, name)
      const digest = engine.importImage('probe:1', await goPeer())
      const server = await ServerDeployment.start(scene)
      agent = await AgentDeployment.start(scene, server, { plugins: pluginsFor(engine) })
      const [node] = JSON.parse(server.must('agent', 'list', '-output', 'json')).agents
      const parent = ['-parentID', `spiffe://example.org${node.id.path}`]
      const image = name === 'docker' ? 'probe:1' : 'localhost/probe:1'
      const values = ['label:team:shop', `image_id:${image}`, `image_config_digest:${digest}`]
      const flags = values.flatMap((value) => ['-selector', `docker:${value}`])
      server.must('entry', 'create', ...parent, '-spiffeID', 'spiffe://example.org/shop', ...flags)
      untilServed()
    })
    afterAll(async () => {
      await engine?.stop()
      await scene?.[Symbol.asyncDispose]()
    })

    it('and gets its identity by image and label', () => {
      const done = fetch(['--label', 'team=shop'])
      expect(jsonLines(done.stdout)).toMatchObject([{ id: 'spiffe://example.org/shop' }])
    })

    it('and gets none with another label', () => {
      expect(fetch(['--label', 'team=other']).stderr).toContain('no identity issued')
      expect(fetch([]).stderr).toContain('no identity issued')
    })

    /** Runs a Go program on go-spiffe in a container that sees the agent's socket. */
    function fetch(flags: readonly string[]): Finished {
      const mount = ['-v', `${dirname(agent.socket)}:/agent`]
      const args = ['workload', '-addr', 'unix:///agent/api.sock', '-op', 'x509']
      return engine.run('probe:1', [...mount, ...flags], args)
    }

    function untilServed(): void {
      for (let tries = 0; tries < 30; tries++) {
        if (fetch(['--label', 'team=shop']).status === 0) return
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
      }
      throw new Error(`never served: ${agent.daemon.lastWords}`)
    }
  })
})

/** The agent's plugins; either engine is where the attestor looks for containers of its kind. */
function pluginsFor(engine: Engine): string {
  return `
    NodeAttestor "join_token" { plugin_data {} }
    KeyManager "memory" { plugin_data {} }
    WorkloadAttestor "docker" {
        plugin_data {
            docker_socket_path = "unix://${engine.socket}"
            podman_socket_path = "unix://${engine.socket}"
        }
    }`
}
