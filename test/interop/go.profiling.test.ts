import { describe, expect, it } from 'vitest'
import { AgentDeployment, ServerDeployment } from '../kit/deployment.ts'
import { isGoMissing } from '../kit/peers.ts'
import { finishProgram, freePort, Scene } from '../kit/processes.ts'

/** What `go tool pprof` makes of what a daemon serves; it keeps what it fetched in the scene's folder. */
async function pprof(scene: Scene, ...args: readonly string[]): Promise<string> {
  const inFolder = [`PPROF_TMPDIR=${scene.folder}`, 'go', 'tool', 'pprof', '-symbolize=none']
  const done = await finishProgram({ command: 'env', args: inFolder }, args)
  if (done.status !== 0) throw new Error(done.stderr)
  return done.stdout
}

describe.skipIf(isGoMissing())('go tool pprof', () => {
  it('reads what both daemons serve on profiling_port', async () => {
    await using scene = new Scene()
    const ports = { server: await freePort(), agent: await freePort() }
    const settings = (port: number): string =>
      `profiling_enabled = true\n    profiling_port = ${port}`
    const server = await ServerDeployment.start(scene, { settings: settings(ports.server) })
    const agent = await AgentDeployment.start(scene, server, { settings: settings(ports.agent) })
    for (const [name, { output }] of Object.entries({
      server: server.daemon,
      agent: agent.daemon,
    })) {
      const port = ports[name as keyof typeof ports]
      expect(output).toContain(`Serving profiles" address="localhost:${port}"`)
      const url = `http://localhost:${port}/debug/pprof`

      const heap = await pprof(scene, '-top', '-sample_index=inuse_space', `${url}/heap`)
      expect(heap).toContain('Type: inuse_space')
      expect(heap).toMatch(/of \d+(\.\d+)?[kM]B total/)
      expect(await pprof(scene, '-raw', `${url}/heap`)).toContain(`/packages/${name}/dist/`)

      let isTaking = true
      const raw = pprof(scene, '-raw', '-seconds=1', `${url}/profile`).finally(() => {
        isTaking = false
      })
      while (isTaking) await (await fetch(`${url}/heap`)).arrayBuffer()
      const cpu = await raw
      expect(cpu).toContain('PeriodType: cpu nanoseconds')
      expect(cpu).toMatch(/samples\/count cpu\/nanoseconds.*\n +\d+ +\d+: \d+/)
      expect(cpu).toContain(`/packages/${name}/dist/`)
    }
  })
})
