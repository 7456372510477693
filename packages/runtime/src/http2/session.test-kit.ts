import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FakeClock } from '../clock.test-kit.ts'
import { type Frame, FrameCutter } from './frame-cutter.ts'
import { writeFrameHead } from './frame-writer.ts'
import { encodeHeaders, type HeaderLine } from './hpack/header-encoder.ts'
import { frameFlags, frameTypes, preface } from './protocol.ts'
import { RequestMemory } from './request-memory.ts'
import type { RequestPace } from './request-pace.ts'
import { ServerSession } from './server-session.ts'
import type { ServerStream } from './server-stream.ts'

/** A frame, as it would be written by anybody. */
export function frame(
  type: number,
  options: {
    readonly flags?: number
    readonly stream?: number
    readonly payload?: Uint8Array
  } = {},
): Buffer {
  const { flags = 0, stream: streamId = 0, payload = Buffer.alloc(0) } = options
  const head = Buffer.alloc(9)
  writeFrameHead(head, 0, { length: payload.length, type, flags, streamId })
  return Buffer.concat([head, payload])
}

/** A number as WINDOW_UPDATE and RST_STREAM carry it. */
export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** One of a SETTINGS frame. */
export type Setting = readonly [id: number, value: number]

/** A SETTINGS frame. */
export function settings(...pairs: readonly Setting[]): Buffer {
  const payload = pairs.map(([id, value]) => Buffer.concat([Buffer.of(0, id), uint32(value)]))
  return frame(frameTypes.settings, { payload: Buffer.concat(payload) })
}

/** What every request has. */
export const requestLines: readonly HeaderLine[] = [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', '/'],
]

/** A request that ends with its headers, unless other flags are given. */
export function request(
  stream: number,
  options: {
    readonly lines?: readonly HeaderLine[]
    readonly more?: readonly HeaderLine[]
    readonly flags?: number
  } = {},
): Buffer {
  const { lines = requestLines, more = [] } = options
  const { flags = frameFlags.endHeaders | frameFlags.endStream } = options
  return frame(frameTypes.headers, { flags, stream, payload: encodeHeaders([...lines, ...more]) })
}

/** A frame that came, with its own copy of the payload. */
export interface Came {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly payload: Buffer
}

/** A raw client of a session: what it writes is its own affair. */
export class RawPeer {
  readonly socket: Socket
  readonly came: Came[] = []
  readonly closed: Promise<void>
  readonly #cutter = new FrameCutter()
  #wake: (() => void)[] = []

  constructor(path: string) {
    this.socket = connect(path)
    this.socket.on('error', () => {})
    this.closed = new Promise((resolve) => this.socket.once('close', () => resolve()))
    this.socket.on('data', (chunk: Buffer) => this.#cutter.push(chunk, (each) => this.#keep(each)))
    void this.closed.then(() => this.#tell())
  }

  write(...frames: readonly Uint8Array[]): void {
    this.socket.write(Buffer.concat(frames))
  }

  /** Says who it is, as a client of HTTP/2 begins. */
  greet(...pairs: readonly Setting[]): void {
    this.write(preface, settings(...pairs))
  }

  /** The first frame that is like this, waited for. @throws when the connection ends without it */
  async next(isWanted: (came: Came) => boolean): Promise<Came> {
    for (;;) {
      const found = this.came.find(isWanted)
      if (found) return found
      if (this.socket.closed) throw new Error('closed before it came')
      await new Promise<void>((resolve) => this.#wake.push(resolve))
    }
  }

  /** With which code the connection was ended; undefined: without a word. */
  async goneWith(): Promise<number | undefined> {
    await this.closed
    const last = this.came.findLast(({ type }) => type === frameTypes.goAway)
    return last?.payload.readUInt32BE(4)
  }

  /** With which code a stream was reset. */
  async resetOf(stream: number): Promise<number> {
    const { payload } = await this.next(
      (came) => came.type === frameTypes.rstStream && came.stream === stream,
    )
    return payload.readUInt32BE(0)
  }

  /** Resolves when all that was written has been taken in. */
  async settled(): Promise<void> {
    const payload = Buffer.from(`settled${this.came.length % 10}`)
    this.write(frame(frameTypes.ping, { payload }))
    await this.next(({ type, payload: other }) => type === frameTypes.ping && other.equals(payload))
  }

  /** What came of one stream's data. */
  dataOf(stream: number): Buffer {
    const data = this.came.filter((came) => came.type === frameTypes.data && came.stream === stream)
    return Buffer.concat(data.map(({ payload }) => payload))
  }

  #keep({ type, flags, streamId, bytes, start, end }: Frame): boolean {
    const payload = Buffer.from(bytes.subarray(start, end))
    this.came.push({ type, flags, stream: streamId, payload })
    this.#tell()
    return true
  }

  #tell(): void {
    for (const wake of this.#wake.splice(0)) wake()
  }
}

/** Sessions on a socket of their own, and what they tell of. */
export class SessionBench implements AsyncDisposable {
  readonly clock: FakeClock = new FakeClock()
  readonly streams: ServerStream[] = []
  readonly failures: unknown[] = []
  readonly sessions: ServerSession[] = []
  closed = 0
  readonly #folder = mkdtempSync(join(tmpdir(), 'http2-'))
  readonly #peers: RawPeer[] = []
  readonly #server = createServer()
  /** What is done with a request; nothing, unless it is set. */
  onRequest: (stream: ServerStream) => void = () => {}
  maxStreams = 100
  pace: RequestPace | undefined
  memory: RequestMemory = new RequestMemory({
    maxBytes: 100_000_000,
    maxBytesOfStrangers: 100_000_000,
    maxBytesPerAddress: 100_000_000,
  })

  get path(): string {
    return join(this.#folder, 's')
  }

  static async start(): Promise<SessionBench> {
    const bench = new SessionBench()
    bench.#server.on('connection', (socket) => bench.#accept(socket))
    await new Promise<void>((resolve) => bench.#server.listen(bench.path, resolve))
    return bench
  }

  connect(): RawPeer {
    const peer = new RawPeer(this.path)
    this.#peers.push(peer)
    return peer
  }

  /** One that has said who it is. */
  greeted(...pairs: readonly Setting[]): RawPeer {
    const peer = this.connect()
    peer.greet(...pairs)
    return peer
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { socket } of this.#peers) socket.destroy()
    for (const session of this.sessions) session.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #accept(socket: Socket): void {
    socket.on('error', () => {})
    const session = new ServerSession({
      socket,
      clock: this.clock,
      maxStreams: this.maxStreams,
      memory: this.memory.shareOf({ address: 'peer', isStranger: true }),
      ...(this.pace && { pace: this.pace }),
      retireMs: 60_000,
      onRequest: (stream) => {
        this.streams.push(stream)
        this.onRequest(stream)
      },
      onClosed: () => {
        this.closed++
      },
      onFailed: (error) => this.failures.push(error),
    })
    this.sessions.push(session)
  }
}
