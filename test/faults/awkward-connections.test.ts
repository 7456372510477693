import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2'
import { connect as connectSocket, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { AgentDeployment, ServerDeployment } from '../kit/deployment.ts'
import { descriptorsOf } from '../kit/process-use.ts'
import { type Daemon, Scene } from '../kit/processes.ts'

const rounds = 250
const attest = '/spire.api.server.agent.v1.Agent/AttestAgent'
const fetchSvid = '/SpiffeWorkloadAPI/FetchX509SVID'
/** A gRPC frame with an empty message, and one that promises more than comes. */
const emptyFrame = Buffer.alloc(5)
const brokenFrame = Buffer.from([0, 0, 0, 1, 0, 0xff, 0xff])

/** The same numbers in each run: what fails can be looked at again. */
function numbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return state / 2 ** 32
  }
}

function turns(count: number): Promise<void> {
  return new Promise((resolve) => {
    const step = (left: number): void =>
      void setImmediate(() => (left > 0 ? step(left - 1) : resolve()))
    step(count)
  })
}

/** Opens a call on a connection and leaves at some moment: before, amid or after what it has to say. */
async function callAndLeave(socket: Socket, path: string, random: () => number): Promise<void> {
  socket.on('error', () => {})
  const session: ClientHttp2Session = connectHttp2('http://localhost', {
    createConnection: () => socket,
  })
  session.on('error', () => {})
  const closed = new Promise((resolve) => socket.once('close', resolve))
  for (let streams = Math.floor(random() * 4); streams >= 0; streams--) {
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      'workload.spiffe.io': 'true',
    })
    stream.on('error', () => {})
    stream.resume()
    if (random() < 0.8) stream.write(random() < 0.5 ? emptyFrame : brokenFrame)
    if (random() < 0.5) stream.end()
    if (random() < 0.3) stream.close(8)
  }
  await turns(Math.floor(random() * 60))
  if (random() < 0.5) session.close()
  socket.destroy()
  session.destroy()
  await closed
}

/** Bytes that are no HTTP/2, or the beginning of some. */
async function babbleAndLeave(socket: Socket, random: () => number): Promise<void> {
  socket.on('error', () => {})
  const closed = new Promise((resolve) => socket.once('close', resolve))
  if (random() < 0.5) socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
  socket.write(Buffer.from(Array.from({ length: 200 }, () => Math.floor(random() * 256))))
  await turns(Math.floor(random() * 20))
  socket.destroy()
  await closed
}

async function expectUnharmed(daemon: Daemon, before: number): Promise<void> {
  await expect.poll(() => descriptorsOf(daemon)).toBeLessThanOrEqual(before + 2)
  expect(daemon.process.exitCode).toBeNull()
  expect(daemon.output).not.toMatch(/Internal error|Unhandled|TypeError|at .*\.js:\d+/)
}

describe('connections that are cut at any moment', () => {
  it('neither end the server nor leave it with descriptors [gate 9]', async () => {
    await using scene = new Scene()
    const server = await ServerDeployment.start(scene)
    const before = descriptorsOf(server.daemon)
    const random = numbers(1)
    const secured = (): Socket =>
      connectTls({
        host: '127.0.0.1',
        port: server.port,
        rejectUnauthorized: false,
        ALPNProtocols: ['h2'],
      })
    for (let round = 0; round < rounds; round++) {
      const plain = connectSocket(server.port, '127.0.0.1')
      await Promise.all([
        callAndLeave(secured(), attest, random),
        babbleAndLeave(secured(), random),
        babbleAndLeave(plain, random),
        callAndLeave(
          connectSocket(server.socket),
          '/spire.api.server.bundle.v1.Bundle/GetBundle',
          random,
        ),
        babbleAndLeave(connectSocket(server.socket), random),
      ])
    }
    await expectUnharmed(server.daemon, before)
    server.must('healthcheck')
  })

  it('neither end the agent nor leave it with descriptors [gate 12]', async () => {
    await using scene = new Scene()
    const server = await ServerDeployment.start(scene)
    const agent = await AgentDeployment.start(scene, server)
    const before = descriptorsOf(agent.daemon)
    const random = numbers(2)
    for (let round = 0; round < rounds; round++) {
      await Promise.all([
        callAndLeave(connectSocket(agent.socket), fetchSvid, random),
        callAndLeave(connectSocket(agent.socket), '/SpiffeWorkloadAPI/FetchJWTSVID', random),
        callAndLeave(
          connectSocket(agent.adminSocket),
          '/spire.agent.debug.v1.Debug/GetInfo',
          random,
        ),
        babbleAndLeave(connectSocket(agent.socket), random),
      ])
    }
    await expectUnharmed(agent.daemon, before)
    expect(agent.cli('healthcheck').status).toBe(0)
  })
})
