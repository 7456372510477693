import { readdirSync } from 'node:fs'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { ServerDeployment } from '../kit/deployment.ts'
import { hasProgram, missingPeer } from '../kit/peers.ts'
import { type Daemon, ours, Scene } from '../kit/processes.ts'

const openFiles = 1024
const atOnce = 20

function descriptorsOf({ process }: Daemon): number {
  return readdirSync(`/proc/${process.pid}/fd`).length
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

const needsPrlimit =
  !hasProgram('prlimit', '--version') && missingPeer('prlimit', 'apt-get install util-linux')

describe.skipIf(needsPrlimit)('a server that may open few files', () => {
  it('keeps some for itself and its operator, however many strangers connect [gate 9]', async () => {
    await using scene = new Scene()
    const { command, args } = ours.server
    const server = await ServerDeployment.start(scene, {
      program: {
        command: 'prlimit',
        args: [`--nofile=${openFiles}:${openFiles}`, command, ...args],
      },
      cli: ours.server,
    })
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
})
