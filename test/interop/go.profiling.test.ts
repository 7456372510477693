import { readdirSync, watch } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { AgentDeployment, ServerDeployment } from '../kit/deployment.ts'
import { isGoMissing } from '../kit/peers.ts'
import { finishProgram, freePort, ours, Scene } from '../kit/processes.ts'

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

  it('reads what a server writes every profiling_freq seconds, where SPIRE’s writes its own', async () => {
    await using scene = new Scene()
    const settings = `profiling_enabled = true
    profiling_freq = 1
    profiling_names = ["heap", "cpu", "goroutine"]`
    const server = await ServerDeployment.prepare(scene, { settings })
    const profiles = scene.makeFolder('.profiles')
    const written = new Set<string>()
    const watching = watch(profiles)
    const both = new Promise<void>((resolve) => {
      watching.on('change', (_, name) => {
        const found = /^\d{4}-\d\d-\d\d_\d{6}_server_(heap|cpu)\.pb\.gz$/.exec(String(name))
        if (found) written.add(`${found[1]}`)
        if (written.size === 2) resolve()
      })
    })
    const run = ['run', '-config', server.config]
    const daemon = scene.start(ours.server, run, { cwd: scene.folder })
    await both
    watching.close()
    expect(await daemon.stop()).toBe(0)
    expect(daemon.output).toContain('profiling_names=goroutine')
    for (const name of readdirSync(profiles)) {
      const type = name.includes('heap') ? 'inuse_space' : 'cpu'
      expect(await pprof(scene, '-top', `${profiles}/${name}`)).toContain(`Type: ${type}`)
    }
  })
})
