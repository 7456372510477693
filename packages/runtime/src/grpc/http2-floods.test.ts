import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '../clock.ts'
import { silentLogger } from '../log/logger.ts'
import { HealthService } from '../proto/grpc/health/v1/health.ts'
import type { CallContext } from './call-context.ts'
import { createClient, openUnixChannel } from './client.ts'
import { GrpcHost } from './host.ts'
import { bindService, notImplemented } from './service.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

/** A host on a local socket, and a connection that has said it speaks HTTP/2. */
async function start(): Promise<{ readonly path: string; readonly socket: Socket }> {
  const folder = await mkdtemp(join(tmpdir(), 'floods-'))
  closers.push(() => rm(folder, { recursive: true, force: true }))
  const unused = { list: notImplemented('List'), watch: notImplemented('Watch') }
  const host = new GrpcHost<CallContext>({
    services: [bindService(HealthService, { check: () => ({ status: 1 }), ...unused })],
    hooks: { before: (call) => call, after: () => {} },
    clock: systemClock,
    log: silentLogger,
  })
  closers.push(() => host.stop(0))
  const path = join(folder, 'api.sock')
  await host.listenUnix({ path, mode: 0o700, directoryMode: 0o700 })
  const socket = connect(path)
  socket.on('error', () => {})
  await once(socket, 'connect')
  closers.push(() => socket.destroy())
  socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
  socket.write(frame(types.settings, 0, 0))
  socket.resume()
  return { path, socket }
}

const types = { headers: 1, settings: 4, continuation: 9 } as const

function frame(type: number, flags: number, stream: number, payload = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head.writeUInt8(type, 3)
  head.writeUInt8(flags, 4)
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** A header that is never indexed: `x: y` in HPACK, as short as there is. */
const header = Buffer.from([0x10, 1, 0x78, 1, 0x79])

/** Writes again and again until the other side has had enough; resolves to how often, at most so many times. */
async function writeUntilClosed(socket: Socket, bytes: Buffer, most: number): Promise<number> {
  const closed = new Promise((resolve) => socket.once('close', resolve))
  for (let count = 0; count < most; count++) {
    if (socket.destroyed) return count
    // Also a pause for what the other side says.
    const written = new Promise((resolve) => socket.write(bytes, resolve))
    await Promise.race([written, closed])
  }
  return most
}

async function isServed(path: string): Promise<boolean> {
  const channel = openUnixChannel(path)
  closers.push(() => channel.close())
  const { status } = await createClient(HealthService, channel).check({ service: '' })
  return status === 1
}

describe('a peer that never ends its headers [gate 9]', () => {
  it('is cut off after a few CONTINUATION frames, and others are served', async () => {
    const { path, socket } = await start()
    socket.write(frame(types.headers, 0, 1, header))
    const block = frame(types.continuation, 0, 1, Buffer.concat(Array<Buffer>(200).fill(header)))
    expect(await writeUntilClosed(socket, block, 100_000)).toBeLessThan(100_000)
    expect(await isServed(path)).toBe(true)
  })

  it('is cut off when the frames are empty, too', async () => {
    const { path, socket } = await start()
    socket.write(frame(types.headers, 0, 1, header))
    const empty = frame(types.continuation, 0, 1)
    const many = Buffer.concat(Array<Buffer>(1_000).fill(empty))
    expect(await writeUntilClosed(socket, many, 10_000)).toBeLessThan(10_000)
    expect(await isServed(path)).toBe(true)
  })

  it('holds up nobody while it sends one byte after the other', async () => {
    const { path, socket } = await start()
    const whole = frame(types.headers, 0, 1, header)
    for (const byte of whole.subarray(0, 12)) {
      socket.write(Buffer.from([byte]))
      expect(await isServed(path)).toBe(true)
    }
  })
})
