import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { encodeHeaders } from './hpack/header-encoder.ts'
import { frameFlags, settingIds, frameTypes as types } from './protocol.ts'
import { RequestMemory } from './request-memory.ts'
import { frame, type RawPeer, request, SessionBench, settings, uint32 } from './session.test-kit.ts'

let bench: SessionBench
beforeEach(async () => {
  bench = await SessionBench.start()
})
afterEach(() => bench[Symbol.asyncDispose]())

const headers = encodeHeaders([[':status', '200']])
const trailers = encodeHeaders([['x', 'y']])
const calm = 11
const streamClosed = 5
const open = (stream: number): Buffer => request(stream, { flags: frameFlags.endHeaders })
const pong = frame(types.ping, { flags: frameFlags.ack, payload: Buffer.alloc(8) })
const reset = (stream: number): Buffer => frame(types.rstStream, { stream, payload: uint32(8) })
const windowUpdate = (stream: number, by: number): Buffer =>
  frame(types.windowUpdate, { stream, payload: uint32(by) })
const hasEnded = (stream: number) => (came: { stream: number; flags: number; type: number }) =>
  came.stream === stream && came.type === types.headers && (came.flags & 1) !== 0

/** Answers each request with so many bytes when it has ended. */
function answering(length: number): void {
  bench.onRequest = (stream) =>
    stream.read({
      data: () => {},
      end: () => stream.sendAnswer({ headers, data: Buffer.alloc(length, 7), trailers }),
    })
}

describe('answers', () => {
  it('leave as headers, data and trailers, and several of one turn are whole each [RFC 9113 8.1]', async () => {
    answering(10)
    const peer = bench.greeted()
    peer.write(request(1), request(3))
    await peer.next(hasEnded(3))
    for (const id of [1, 3]) {
      const frames = peer.came.filter(({ stream }) => stream === id)
      expect(frames.map(({ type, flags }) => [type, flags])).toEqual([
        [types.headers, 4],
        [types.data, 0],
        [types.headers, 5],
      ])
    }
  })

  it('wait for room on their stream, and for room on all [RFC 9113 6.9.1]', async () => {
    answering(100_000)
    const peer = bench.greeted([settingIds.initialWindowSize, 10])
    peer.write(request(1))
    await peer.settled()
    expect(peer.dataOf(1).length).toBe(10)
    peer.write(frame(types.windowUpdate, { stream: 1, payload: uint32(200_000) }))
    await peer.settled()
    expect(peer.dataOf(1).length).toBe(65_535)
    peer.write(frame(types.windowUpdate, { payload: uint32(200_000) }))
    await peer.next(hasEnded(1))
    expect(peer.dataOf(1)).toEqual(Buffer.alloc(100_000, 7))
  })

  it('are held back by a window that has become less than nothing [RFC 9113 6.9.2]', async () => {
    answering(100)
    const peer = bench.greeted([settingIds.initialWindowSize, 50])
    peer.write(request(1))
    await peer.settled()
    peer.write(settings([settingIds.initialWindowSize, 0]))
    peer.write(frame(types.windowUpdate, { stream: 1, payload: uint32(50) }))
    await peer.settled()
    expect(peer.dataOf(1).length).toBe(50)
    peer.write(settings([settingIds.initialWindowSize, 100]))
    await peer.next(hasEnded(1))
    expect(peer.dataOf(1).length).toBe(100)
  })

  it('that begin before the request has ended end it [RFC 9113 8.1]', async () => {
    bench.onRequest = (stream) => stream.sendHeaders(headers, true)
    const peer = bench.greeted()
    peer.write(open(1))
    expect(await peer.resetOf(1)).toBe(0)
  })

  it('say before the first block, and after new settings, that no table is used [RFC 7541 4.2]', async () => {
    answering(1)
    const peer = bench.greeted()
    const blockOf = (stream: number): number | undefined =>
      peer.came.find((came) => came.stream === stream)?.payload[0]
    peer.write(request(1))
    await peer.next(hasEnded(1))
    peer.write(request(3))
    await peer.next(hasEnded(3))
    peer.write(settings([settingIds.headerTableSize, 0]), request(5))
    await peer.next(hasEnded(5))
    expect([1, 3, 5].map(blockOf)).toEqual([0x20, 0x88, 0x20])
  })
})

describe('room for requests', () => {
  it('is given back as they are read, and for all streams at once [RFC 9113 6.9]', async () => {
    let bytes = 0
    bench.onRequest = (stream) =>
      stream.read({ data: (piece) => (bytes += piece.length), end: () => stream.reset(0) })
    const peer = bench.greeted()
    const piece = frame(types.data, { stream: 1, payload: Buffer.alloc(16_384) })
    peer.write(open(1))
    for (let n = 0; n < 20; n++) peer.write(piece)
    await peer.settled()
    expect(bytes).toBe(20 * 16_384)
    const updates = peer.came.filter(({ type }) => type === types.windowUpdate)
    expect(updates.map(({ stream }) => stream).sort()).toEqual([
      ...Array<number>(10).fill(0),
      ...Array<number>(10).fill(1),
    ])
  })

  it('ends for one connection with what it keeps unfinished [gate 9]', async () => {
    bench.onRequest = (stream) => stream.read({ data: () => {}, end: () => {} })
    const peer = bench.greeted()
    const payload = Buffer.alloc(16_384)
    for (let id = 1; id < 40; id += 2) {
      peer.write(open(id))
      for (let n = 0; n < 128; n++) peer.write(frame(types.data, { stream: id, payload }))
    }
    await peer.settled()
    const refused = peer.came.filter(({ type }) => type === types.rstStream)
    expect(refused.length).toBeGreaterThanOrEqual(4)
    expect(new Set(refused.map(({ payload: code }) => code.readUInt32BE(0)))).toEqual(
      new Set([calm]),
    )
    peer.write(request(101))
    await peer.settled()
    expect(bench.streams.at(-1)?.id).toBe(101)
  })
})

describe('what all connections keep unfinished [gate 9]', () => {
  const maxBytes = 1_048_576
  const payload = Buffer.alloc(16_384)
  const send = (peer: RawPeer, stream: number, frames: number): void => {
    peer.write(open(stream))
    for (let n = 0; n < frames; n++) peer.write(frame(types.data, { stream, payload }))
  }

  it('has a bound, and small requests are taken beyond it', async () => {
    bench.memory = new RequestMemory({
      maxBytes,
      maxBytesOfStrangers: maxBytes,
      maxBytesPerAddress: maxBytes,
    })
    bench.onRequest = (stream) => stream.read({ data: () => {}, end: () => {} })
    const [first, second] = [bench.greeted(), bench.greeted()]
    send(first, 1, 64)
    await first.settled()
    send(second, 1, 2)
    expect(await second.resetOf(1)).toBe(calm)
    send(second, 3, 1)
    await second.settled()
    expect(bench.streams.map(({ isClosed }) => isClosed)).toEqual([false, true, false])
    first.socket.destroy()
    await first.closed
    await expect.poll(() => bench.closed).toBe(1)
    send(second, 5, 60)
    await second.settled()
    expect(bench.streams.at(-1)?.isClosed).toBe(false)
  })
})

describe('floods [gate 9]', () => {
  const empty = Buffer.alloc(0)
  it.each<[string, readonly Buffer[], Buffer]>([
    ['empty data', [open(1)], frame(types.data, { stream: 1, payload: empty })],
    ['priorities', [], frame(types.priority, { stream: 1, payload: Buffer.alloc(5) })],
    ['settings', [], settings()],
    ['frames that nobody knows', [], frame(0xbe)],
    ['pings that are answered and not read', [], frame(types.ping, { payload: Buffer.alloc(8) })],
  ])('of %s end their connection', async (_what, before, each) => {
    const peer = bench.greeted()
    peer.socket.pause()
    await new Promise((resolve) => setImmediate(resolve))
    peer.write(...before, ...Array<Buffer>(3_000).fill(each))
    peer.socket.resume()
    expect(await peer.goneWith()).toBe(calm)
  })

  it('of settings end their connection also when each answer is taken', async () => {
    const peer = bench.greeted()
    const gone = peer.goneWith()
    for (let n = 0; n < 12; n++) {
      peer.write(...Array<Buffer>(100).fill(settings()))
      await Promise.race([peer.settled(), gone])
    }
    expect(await gone).toBe(calm)
  })

  it('of resets end their connection, which was told to go elsewhere before [RFC 9113 10.5]', async () => {
    const peer = bench.greeted()
    for (let id = 1; id < 2_400; id += 2) peer.write(open(id), reset(id))
    await peer.closed
    const away = peer.came.filter(({ type }) => type === types.goAway)
    expect(away.length).toBeGreaterThan(0)
    expect(bench.streams.length).toBeLessThanOrEqual(1_001)
  })

  it('of requests beyond the bound, and of malformed ones, count as resets [RFC 9113 10.5]', async () => {
    const peer = bench.greeted()
    for (let id = 1; id < 2_400; id += 2) peer.write(request(id, { more: [['A', 'b']] }))
    await peer.closed
    expect(bench.streams).toEqual([])
  })

  it('of resets end their connection also while one of its calls goes on', async () => {
    const peer = bench.greeted()
    peer.write(open(1))
    for (let id = 3; id < 2_400; id += 2) peer.write(open(id), reset(id))
    expect(await peer.goneWith()).toBe(calm)
    expect(bench.streams.length).toBeLessThanOrEqual(1_002)
  })

  it.each<[string, (id: number) => Buffer]>([
    ['windows that grow by nothing', (stream) => windowUpdate(stream, 0)],
    ['windows that grow too large', (stream) => windowUpdate(stream, 0x7fffffff)],
    ['trailers that do not end', (stream) => open(stream)],
  ])(
    'of resets that a peer brings about by %s end their connection [CVE-2025-8671]',
    async (_what, fault) => {
      const peer = bench.greeted()
      peer.write(open(1))
      for (let id = 3; id < 2_400; id += 2) peer.write(open(id), fault(id))
      expect(await peer.goneWith()).toBe(calm)
      expect(bench.streams.length).toBeLessThanOrEqual(1_002)
    },
  )

  it.each([
    ['many small pieces', 200, 1],
    ['a few large ones', 8, 16_384],
  ])('of header blocks without end, in %s, end their connection', async (_what, count, length) => {
    const peer = bench.greeted()
    peer.write(request(1, { flags: 0 }))
    const payload = Buffer.alloc(length, 0x82)
    for (let n = 0; n < count; n++) peer.write(frame(types.continuation, { stream: 1, payload }))
    expect(await peer.goneWith()).toBe(calm)
    expect(bench.streams).toEqual([])
  })
})

describe('peers that stand still [gate 9]', () => {
  it.each<[string, Buffer | undefined]>([
    ['amid a frame', request(1).subarray(0, 11)],
    ['amid a header block', request(1, { flags: 0 })],
    ['before they have said who they are', undefined],
  ])('%s are cut off', async (_what, half) => {
    const peer = bench.connect()
    if (half) {
      peer.greet()
      await peer.settled()
      peer.write(half)
    }
    await expect.poll(() => bench.clock.timerCount).toBe(1)
    bench.clock.advance(9_999)
    expect(bench.failures).toEqual([])
    bench.clock.advance(1)
    await peer.closed
    await expect.poll(() => bench.clock.timerCount).toBe(0)
  })

  it('between frames may take as long as they like', async () => {
    const peer = bench.greeted()
    await peer.settled()
    expect(bench.clock.timerCount).toBe(0)
    bench.clock.advance(3_600_000)
    await peer.settled()
  })

  it('and do not read cost a bounded part of what they ask for', async () => {
    answering(16_000)
    bench.maxStreams = 1_000
    const most = 2 ** 31 - 1
    const peer = bench.greeted([settingIds.initialWindowSize, most])
    peer.write(frame(types.windowUpdate, { payload: uint32(most - 65_535) }))
    await peer.settled()
    peer.socket.pause()
    for (let id = 1; id < 4_000; id += 2) peer.write(request(id))
    for (let n = 0; n < 200; n++) await new Promise((resolve) => setImmediate(resolve))
    const waiting = bench.streams.filter(({ isClosed }) => !isClosed)
    expect(waiting.length).toBeGreaterThan(0)
    expect(waiting.length).toBeLessThanOrEqual(1_000)
    peer.socket.resume()
    await peer.next(hasEnded(1))
    await peer.settled()
    for (const { id } of bench.streams) await peer.next(hasEnded(id))
  })
})

describe('answers without data [gate 9]', () => {
  it('which no window holds back stop the reading of requests while nobody takes them', async () => {
    const long = encodeHeaders([
      [':status', '200'],
      ['why', 'x'.repeat(4_000)],
    ])
    bench.onRequest = (stream) => stream.sendHeaders(long, true)
    const peer = bench.greeted()
    await peer.settled()
    peer.socket.pause()
    for (let id = 1; id < 4_000; id += 2) peer.write(request(id))
    for (let n = 0; n < 200; n++) await new Promise((resolve) => setImmediate(resolve))
    expect(bench.streams.length).toBeLessThan(1_000)
    peer.socket.resume()
    await peer.next(hasEnded(3_999))
    expect(bench.streams.length).toBe(2_000)
  })
})

describe('what a peer had under way on streams that were ended here', () => {
  it('is passed over on the last ones, and on older ones a fault [gate 9]', async () => {
    bench.onRequest = (stream) => stream.sendHeaders(headers, true)
    const peer = bench.greeted()
    for (let id = 1; id < 401; id += 2) peer.write(open(id))
    await peer.settled()
    const late = (stream: number): Buffer => frame(types.data, { stream, payload: Buffer.of(1) })
    peer.write(late(399), late(1))
    await peer.settled()
    const codes = (stream: number): readonly number[] =>
      peer.came
        .filter((came) => came.type === types.rstStream && came.stream === stream)
        .map(({ payload }) => payload.readUInt32BE(0))
    expect(codes(399)).toEqual([0])
    expect(codes(1)).toEqual([0, streamClosed])
  })
})

describe('a connection that is told to go elsewhere', () => {
  it('serves what was sent, and ends with its last stream [RFC 9113 6.8]', async () => {
    const peer = bench.greeted()
    peer.write(open(1))
    await peer.settled()
    bench.sessions[0]?.retire()
    const first = await peer.next(({ type }) => type === types.goAway)
    expect(first.payload.readUInt32BE(0)).toBe(2 ** 31 - 1)
    peer.write(open(3))
    await peer.settled()
    for (const stream of bench.streams) stream.sendHeaders(headers, true)
    // What was under way when the peer heard of it.
    peer.write(open(5), pong)
    await peer.settled()
    bench.streams[2]?.sendHeaders(headers, true)
    expect(await peer.goneWith()).toBe(0)
    const last = peer.came.findLast(({ type }) => type === types.goAway)
    expect([bench.streams.length, last?.payload.readUInt32BE(0)]).toEqual([3, 5])
  })

  it('without streams ends when the peer has heard of it, or does not say so', async () => {
    const peers = [bench.greeted(), bench.greeted()] as const
    for (const peer of peers) await peer.settled()
    for (const session of bench.sessions) session.retire()
    for (const peer of peers) await peer.next(({ type }) => type === types.goAway)
    expect(bench.closed).toBe(0)
    peers[0].write(pong)
    expect(await peers[0].goneWith()).toBe(0)
    bench.clock.advance(1_000)
    expect(await peers[1].goneWith()).toBe(0)
  })

  it('ends although its streams do not, in time', async () => {
    const busy = bench.greeted()
    busy.write(open(1))
    await busy.settled()
    bench.sessions[0]?.retire()
    busy.write(pong)
    await busy.settled()
    bench.clock.advance(60_000)
    await busy.closed
    expect(bench.streams.map(({ isClosed }) => isClosed)).toEqual([true])
  })

  it('without having said what it speaks ends at once', async () => {
    const silent = bench.connect()
    await expect.poll(() => bench.sessions.length).toBe(1)
    bench.sessions[0]?.retire()
    await silent.closed
  })

  it('is cut off when it does not close its side', async () => {
    const peer = bench.greeted()
    await peer.settled()
    peer.socket.allowHalfOpen = true
    peer.write(frame(types.ping))
    await peer.next(({ type }) => type === types.goAway)
    for (let n = 0; n < 20; n++) await new Promise((resolve) => setImmediate(resolve))
    bench.clock.advance(1_000)
    await expect.poll(() => bench.closed).toBe(1)
  })
})
