import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { createClient, openUnixChannel } from '@mini-spire/runtime/grpc/client'
import { AgentService } from '@mini-spire/runtime/proto/spire/api/server/agent/v1/agent'
import { describe, expect, it } from 'vitest'
import { ServerDeployment } from '../kit/deployment.ts'
import { ours, Scene } from '../kit/processes.ts'
import { untilListening } from '../kit/until-listening.ts'
import { attestAt } from './server-scene.ts'

const startTimeoutMs = 30_000
/** A stop takes a small part of a second; it would wait ten for what is connected, if it did. */
const atOnceMs = 5000

describe('a server process', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)(
    'stops at once at %s, whatever is connected, with exit code 0',
    async (signal) => {
      await using scene = new Scene()
      const server = await ServerDeployment.start(scene)
      const idle = connect(server.port, '127.0.0.1').on('error', () => {})
      using channel = openUnixChannel(server.socket)
      const clients = createClient(AgentService, channel)
      const silent = (async function* () {
        await new Promise(() => {})
        yield undefined as never
      })()
      const stream = clients.attestAgent(silent)[Symbol.asyncIterator]()
      const waiting = stream.next().catch(() => {})
      await clients.countAgents({ filter: undefined })
      const started = performance.now()
      expect(await server.daemon.stop(signal)).toBe(0)
      expect(performance.now() - started).toBeLessThan(atOnceMs)
      expect(server.daemon.output).toContain('msg="Server stopped gracefully"')
      for (const network of ['tcp', 'unix']) {
        const lines = server.daemon.output
          .split('\n')
          .filter((line) => line.includes(`network=${network} `))
        expect(lines.map((line) => /msg="([^"]*)"/.exec(line)?.[1])).toEqual([
          'Starting Server APIs',
          'Stopping Server APIs',
          'Attempting graceful stop',
          'Graceful stop successful',
          'Server APIs have stopped',
        ])
      }
      idle.destroy()
      await waiting
    },
  )

  it('that waits for its upstream authority stops when it is told to', async () => {
    await using scene = new Scene()
    const first = await ServerDeployment.start(scene)
    await first.daemon.stop()
    const config = scene.path('waiting.conf')
    const upstream = `UpstreamAuthority "spire" { plugin_data {
      server_address = "127.0.0.1" server_port = "1" workload_api_socket = "${scene.path('nobody.sock')}"
    } }`
    const file = readFileSync(first.config, 'utf8')
    writeFileSync(config, file.replace('plugins {', `plugins {\n${upstream}`))
    const args = ['run', '-config', config, '-dataDir', scene.makeFolder('waiting')]
    const waiting = scene.start(ours.server, args)
    await waiting.waitFor('The Workload API that gives this server its identity has failed')
    expect(await waiting.stop()).toBe(0)
    expect(waiting.output).toContain('msg="Server stopped gracefully"')
    expect(waiting.output).not.toContain('Server crashed')
  })

  it('goes on when the journal that takes its log has gone, which is a socket', async () => {
    await using scene = new Scene()
    const server = await ServerDeployment.start(scene, { settings: 'audit_log_enabled = true' })
    server.daemon.process.stdout?.destroy()
    // Each call is a line of the log that nobody takes.
    for (let call = 0; call < 3; call++) expect(await server.ask('entry', 'count')).toContain('0')
    expect(await server.daemon.stop()).toBe(0)
  })

  it('says why it cannot start, ends with exit code 1, and leaves its store whole', async () => {
    await using scene = new Scene()
    const first = await ServerDeployment.start(scene)
    const args = ['run', '-config', first.config]
    const dataDir = scene.makeFolder('other')
    const other = scene.start(ours.server, [
      ...args,
      '-dataDir',
      dataDir,
      '-socketPath',
      scene.path('other.sock'),
    ])
    expect(await other.ended).toBe(1)
    expect(other.output).toMatch(
      /level=error msg="Fatal run error" error=".*EADDRINUSE|address already in use/,
    )
    expect(other.output).toContain('level=error msg="Server crashed"')
    const same = scene.start(ours.server, [
      ...args,
      '-serverPort',
      '1',
      '-socketPath',
      scene.path('third.sock'),
    ])
    expect(await same.ended).toBe(1)
    expect(first.must('agent', 'count')).toContain('0 attested agents')
  })

  it(
    'killed right after an attestation has the agent, and the token is used [gate 4]',
    async () => {
      await using scene = new Scene()
      const server = await ServerDeployment.start(scene, {
        settings: 'ratelimit { attestation = false }',
      })
      for (let round = 1; round <= 3; round++) {
        const token = server.token()
        await attestAt(server.port, token)
        server.daemon.process.kill('SIGKILL')
        await server.daemon.ended
        await server.restart()
        expect(server.must('agent', 'count')).toContain(`${round} attested agent`)
        await expect(attestAt(server.port, token)).rejects.toMatchObject({
          statusCode: 3,
          statusMessage: 'failed to attest: join token does not exist or has already been used',
        })
      }
    },
    startTimeoutMs * 3,
  )

  it('loses no line at its end, though nobody reads its log meanwhile', async () => {
    await using scene = new Scene()
    const { config, port, socket } = await ServerDeployment.prepare(scene)
    const { command, args } = ours.server
    const stdio = ['ignore', 'pipe', 'inherit'] as const
    const server = spawn(command, [...args, 'run', '-config', config], { stdio: [...stdio] })
    scene.defer(async () => void server.kill('SIGKILL'))
    await untilListening(port)
    const strangers = 1_000
    for (let come = 0; come < strangers; come++) {
      const stranger = connect(port, '127.0.0.1').on('error', () => {})
      stranger.resume().end('no handshake')
      await once(stranger, 'close')
    }
    server.kill('SIGTERM')
    await expect.poll(() => existsSync(socket)).toBe(false)
    const log = await text(server.stdout)
    expect(log.split('TLS handshake failed').length).toBeGreaterThan(strangers)
    expect(log).toMatch(/msg="Server stopped gracefully"\n$/)
  })
})
