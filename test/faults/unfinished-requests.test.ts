import { writeFileSync } from 'node:fs'
import { type ClientHttp2Session, connect } from 'node:http2'
import { connect as connectSocket, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { AgentDeployment, ServerDeployment } from '../kit/deployment.ts'
import { residentMb } from '../kit/process-use.ts'
import { type Daemon, Scene } from '../kit/processes.ts'

const largestMessage = 4 * 1024 * 1024
const streamsEach = 7
const header = Buffer.alloc(5)
header.writeUInt32BE(largestMessage, 1)
/** All of a message but its last byte. */
const almost = Buffer.concat([header, Buffer.alloc(largestMessage - 1)])

/** A peer that sends requests without their last byte, and says no more. */
class UnfinishedWriter {
  readonly #session: ClientHttp2Session
  readonly #socket: Socket
  sent = 0
  refused = 0

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on('error', () => {})
    this.#session = connect('http://localhost', { createConnection: () => socket })
    this.#session.on('error', () => {})
  }

  begin(path: string): void {
    for (let n = 0; n < streamsEach; n++) {
      const stream = this.#session.request({
        ':method': 'POST',
        ':path': path,
        'content-type': 'application/grpc',
        te: 'trailers',
        'workload.spiffe.io': 'true',
      })
      let isOver = false
      stream.on('error', () => {})
      stream.resume()
      stream.write(almost, (error) => {
        if (isOver) return
        isOver = true
        if (error) this.refused++
        else this.sent++
      })
      stream.once('close', () => {
        if (isOver) this.sent--
        isOver = true
        this.refused++
      })
    }
  }

  leave(): void {
    this.#session.destroy()
    this.#socket.destroy()
  }
}

/** Has every one of the peers send what it can, and expects no more to be kept of it than the bound, while others are served. */
async function expectBounded(
  daemon: Daemon,
  options: {
    readonly sockets: readonly Socket[]
    readonly path: string
    readonly boundMb: number
    readonly others: () => void
  },
): Promise<void> {
  const beforeMb = residentMb(daemon)
  const writers = options.sockets.map((socket) => new UnfinishedWriter(socket))
  for (const writer of writers) writer.begin(options.path)
  const settled = (): number => writers.reduce((sum, { sent, refused }) => sum + sent + refused, 0)
  await expect
    .poll(settled, { timeout: 60_000 })
    .toBeGreaterThanOrEqual(writers.length * streamsEach)
  options.others()
  const kept = writers.reduce((sum, { sent }) => sum + sent, 0) * (largestMessage / 1024 / 1024)
  expect(kept).toBeLessThanOrEqual(options.boundMb)
  // Buffers on their way in and what the collector has not come to are on top.
  expect(residentMb(daemon) - beforeMb).toBeLessThan(options.boundMb + 150)
  for (const writer of writers) writer.leave()
  options.others()
  expect(daemon.process.exitCode).toBeNull()
}

/** A request of some hundred kilobytes, from an operator. */
function manyEntries(scene: Scene, server: ServerDeployment): () => void {
  let round = 0
  return () => {
    round++
    const entries = Array.from({ length: 400 }, (_, n) => ({
      parent_id: `spiffe://${server.trustDomain}/node`,
      spiffe_id: `spiffe://${server.trustDomain}/${'long'.repeat(50)}/${round}/${n}`,
      selectors: [{ type: 'unix', value: 'uid:4242' }],
    }))
    const file = scene.path(`entries-${round}.json`)
    writeFileSync(file, JSON.stringify({ entries }))
    server.must('entry', 'create', '-data', file)
  }
}

const fromAddress = (server: ServerDeployment, localAddress: string): Socket => {
  const socket = connectSocket({ host: '127.0.0.1', localAddress, port: server.port })
  socket.on('error', () => {})
  return connectTls({ socket, rejectUnauthorized: false, ALPNProtocols: ['h2'] })
}

describe('requests that never end', () => {
  it('take a bounded part of the server’s memory for one address [gate 9]', async () => {
    await using scene = new Scene()
    const server = await ServerDeployment.start(scene)
    await expectBounded(server.daemon, {
      sockets: Array.from({ length: 12 }, () => fromAddress(server, '127.0.0.2')),
      path: '/spire.api.server.bundle.v1.Bundle/GetBundle',
      boundMb: 64,
      others: manyEntries(scene, server),
    })
  })

  it('take a bounded part of it for all strangers together, and leave operators theirs [gate 9]', async () => {
    await using scene = new Scene()
    const server = await ServerDeployment.start(scene)
    await expectBounded(server.daemon, {
      sockets: Array.from({ length: 14 }, (_, n) => fromAddress(server, `127.0.0.${n + 2}`)),
      path: '/spire.api.server.bundle.v1.Bundle/GetBundle',
      boundMb: 128,
      others: manyEntries(scene, server),
    })
  })

  it('take a bounded part of the agent’s memory for one process [gate 9]', async () => {
    await using scene = new Scene()
    const server = await ServerDeployment.start(scene)
    const agent = await AgentDeployment.start(scene, server)
    await expectBounded(agent.daemon, {
      sockets: Array.from({ length: 12 }, () => connectSocket(agent.socket)),
      path: '/SpiffeWorkloadAPI/FetchX509SVID',
      boundMb: 64,
      others: () => expect(agent.cli('healthcheck').status).toBe(0),
    })
  })
})
