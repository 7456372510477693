import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2'
import { connect as connectSocket, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { AgentDeployment, ServerDeployment } from '../kit/deployment.ts'
import { descriptorsOf, residentMb } from '../kit/process-use.ts'
import { type Daemon, Scene } from '../kit/processes.ts'

const getBundle = '/spire.api.server.bundle.v1.Bundle/GetBundle'
const fetchBundles = '/SpiffeWorkloadAPI/FetchX509Bundles'
const emptyFrame = Buffer.alloc(5)
/** What the slots of one address are, and what is asked for beyond them. */
const slots = 1024
const sessions = 4
const streamsEach = 500

/** A peer that opens calls and gives their answers no room [RFC 9113 6.9]. */
class StalledReader {
  readonly #session: ClientHttp2Session
  readonly #socket: Socket
  readonly #streams: ClientHttp2Stream[] = []
  refused = 0
  /** Calls whose answer has begun: its headers need no room. */
  begun = 0

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on('error', () => {})
    this.#session = connect('http://localhost', {
      createConnection: () => socket,
      settings: { initialWindowSize: 0 },
    })
    this.#session.on('error', () => {})
  }

  open(path: string, count: number): void {
    for (let n = 0; n < count; n++) {
      const stream = this.#session.request({
        ':method': 'POST',
        ':path': path,
        'content-type': 'application/grpc',
        te: 'trailers',
        'workload.spiffe.io': 'true',
      })
      stream.on('error', () => {})
      stream.on('response', (headers) => {
        if (headers['grpc-status'] === '8') this.refused++
        else this.begun++
      })
      stream.end(emptyFrame)
      this.#streams.push(stream)
    }
  }

  leave(): void {
    this.#session.destroy()
    this.#socket.destroy()
  }
}

/** Stalls as many calls as one address may have and more, and expects others to be served meanwhile, and all of it to go again. */
async function expectBounded(
  daemon: Daemon,
  options: { readonly open: () => Socket; readonly path: string; readonly others: () => void },
): Promise<void> {
  const before = { descriptors: descriptorsOf(daemon), mb: residentMb(daemon) }
  const readers = Array.from({ length: sessions }, () => new StalledReader(options.open()))
  for (const reader of readers) reader.open(options.path, streamsEach)
  const sum = (what: 'refused' | 'begun'): number =>
    readers.reduce((total, reader) => total + reader[what], 0)
  await expect.poll(() => sum('refused')).toBe(sessions * streamsEach - slots)
  expect(sum('begun')).toBeLessThanOrEqual(slots)
  options.others()
  expect(residentMb(daemon) - before.mb).toBeLessThan(150)
  for (const reader of readers) reader.leave()
  await expect.poll(() => descriptorsOf(daemon)).toBeLessThanOrEqual(before.descriptors + 2)
  const late = new StalledReader(options.open())
  late.open(options.path, 1)
  await expect.poll(() => late.begun).toBe(1)
  late.leave()
  options.others()
  expect(daemon.process.exitCode).toBeNull()
}

describe('answers that nobody takes', () => {
  it('hold so many calls of an address on the server and no more; others are served [gate 9]', async () => {
    await using scene = new Scene()
    const server = await ServerDeployment.start(scene)
    await expectBounded(server.daemon, {
      open: () =>
        connectTls({
          host: '127.0.0.1',
          port: server.port,
          rejectUnauthorized: false,
          ALPNProtocols: ['h2'],
        }),
      path: getBundle,
      others: () => void server.must('bundle', 'count'),
    })
  })

  it('hold so many streams of a process on the agent and no more; others are served [gate 12]', async () => {
    await using scene = new Scene()
    const server = await ServerDeployment.start(scene)
    const agent = await AgentDeployment.start(scene, server, {
      settings: 'allow_unauthenticated_verifiers = true',
    })
    await expectBounded(agent.daemon, {
      open: () => connectSocket(agent.socket),
      path: fetchBundles,
      others: () => expect(agent.cli('healthcheck').status).toBe(0),
    })
  })
})
