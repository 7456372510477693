import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { ServerDeployment } from '../kit/deployment.ts'
import { hasProgram, missingPeer } from '../kit/peers.ts'
import { descriptorsOf } from '../kit/process-use.ts'
import { freePort, ours, type Program, Scene } from '../kit/processes.ts'

const openFiles = 1024
const atOnce = 20

/** Our server, which may open few files. */
const confined: Program = {
  command: 'prlimit',
  args: [`--nofile=${openFiles}:${openFiles}`, ours.server.command, ...ours.server.args],
}

/** A stranger who connects and says nothing more; resolves when the handshake has ended, well or badly. */
function stranger(port: number): Promise<TLSSocket> {
  return new Promise((resolve) => {
    const socket = connectTls({
      host: '127.0.0.1',
      port,
      rejectUnauthorized: false,
      ALPNProtocols: ['h2'],
    })
    socket.on('error', () => {})
    socket.once('secureConnect', () => resolve(socket))
    socket.once('close', () => resolve(socket))
  })
}

/** Resolves when a connection has been taken or refused. */
function settled(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (!socket.connecting) resolve()
    socket.once('connect', () => resolve())
    socket.once('close', () => resolve())
  })
}

const needsPrlimit =
  !hasProgram('prlimit', '--version') && missingPeer('prlimit', 'apt-get install util-linux')

describe.skipIf(needsPrlimit)('a server that may open few files', () => {
  it('keeps some for itself and its operator, however many strangers connect [gate 9]', async () => {
    await using scene = new Scene()
    const server = await ServerDeployment.start(scene, { program: confined, cli: ours.server })
    const sockets: TLSSocket[] = []
    for (let round = 0; round < openFiles / atOnce; round++)
      sockets.push(
        ...(await Promise.all(Array.from({ length: atOnce }, () => stranger(server.port)))),
      )
    expect(descriptorsOf(server.daemon)).toBeLessThan(openFiles / 2)
    // New keys and a new journal are written to new files.
    server.must('localauthority', 'x509', 'prepare')
    server.must('localauthority', 'jwt', 'prepare')
    server.must('entry', 'count')
    for (const socket of sockets) socket.destroy()
    expect(server.daemon.process.exitCode).toBeNull()
  })

  it.each([
    [
      'health checks',
      (port: number) =>
        `health_checks { listener_enabled = true bind_address = "127.0.0.1" bind_port = "${port}" }`,
    ],
    ['metrics', (port: number) => `telemetry { Prometheus { host = "127.0.0.1" port = ${port} } }`],
  ])(
    'outlives a crowd that connects for its %s, and answers others meanwhile [gate 11]',
    async (_, block) => {
      await using scene = new Scene()
      const port = await freePort()
      const server = await ServerDeployment.start(scene, {
        program: confined,
        cli: ours.server,
        blocks: block(port),
      })
      const sockets: Socket[] = []
      for (let n = 0; n < openFiles * 1.5; n++) {
        const socket = connectTcp({ host: '127.0.0.1', localAddress: '127.0.0.2', port })
        socket.on('error', () => {})
        sockets.push(socket)
      }
      await Promise.all(sockets.map(settled))
      const answer = await fetch(`http://127.0.0.1:${port}/ready`)
      expect(answer.status).toBe(200)
      expect(descriptorsOf(server.daemon)).toBeLessThan(openFiles / 2)
      server.must('localauthority', 'x509', 'prepare')
      for (const socket of sockets) socket.destroy()
      expect(server.daemon.process.exitCode).toBeNull()
    },
  )
})
