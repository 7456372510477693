import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { frameFlags, preface, settingIds, frameTypes as types } from './protocol.ts'
import { frame, type RawPeer, request, SessionBench, settings, uint32 } from './session.test-kit.ts'

let bench: SessionBench
beforeEach(async () => {
  bench = await SessionBench.start()
})
afterEach(() => bench[Symbol.asyncDispose]())

const { endHeaders, endStream, padded, ack } = frameFlags
/** A request whose body is still to come. */
const open = (stream: number): Buffer => request(stream, { flags: endHeaders })
const data = (stream: number, payload: Uint8Array = Buffer.of(1), flags = 0): Buffer =>
  frame(types.data, { stream, payload, flags })
const opaque = Buffer.alloc(8)
const codes = { protocol: 1, flowControl: 3, streamClosed: 5, frameSize: 6, compression: 9 }

describe('how a connection begins', () => {
  it('is answered with settings, and theirs acknowledged [RFC 9113 3.4] [RFC 9113 6.5.3]', async () => {
    const peer = bench.greeted()
    const own = await peer.next(({ type, flags }) => type === types.settings && flags === 0)
    expect(own.payload.toString('hex')).toBe('00030000006400060000ffff')
    await peer.next(({ type, flags }) => type === types.settings && flags === ack)
  })

  it.each([
    ['HTTP/1', Buffer.from('GET / HTTP/1.1\r\nhost: x\r\n\r\n')],
    ['what begins well and goes on otherwise', Buffer.from('PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n')],
    ['TLS', Buffer.from('16030100', 'hex')],
  ])('as %s ends it without a word [RFC 9113 3.4]', async (_what, bytes) => {
    const peer = bench.connect()
    peer.write(bytes)
    await peer.closed
    expect([peer.came, bench.streams]).toEqual([[], []])
  })

  it('may come byte by byte', async () => {
    const peer = bench.connect()
    for (const byte of Buffer.concat([preface, settings(), request(1)])) {
      peer.write(Buffer.of(byte))
      await new Promise((resolve) => setImmediate(resolve))
    }
    await peer.settled()
    expect(bench.streams.length).toBe(1)
  })

  it.each([
    ['another frame', frame(types.ping, { payload: opaque })],
    ['an acknowledgement', frame(types.settings, { flags: ack })],
  ])('with %s instead of settings ends it [RFC 9113 3.4]', async (_what, bytes) => {
    const peer = bench.connect()
    peer.write(preface, bytes)
    expect(await peer.goneWith()).toBe(codes.protocol)
  })
})

describe('what ends a connection', () => {
  const skipped = Buffer.concat([open(5), open(3)])
  it.each<[string, Buffer, number]>([
    ['DATA on no stream [RFC 9113 6.1]', data(0), codes.protocol],
    ['DATA on an idle stream [RFC 9113 5.1]', data(1), codes.protocol],
    [
      'more padding than frame [RFC 9113 6.1]',
      Buffer.concat([open(1), data(1, Buffer.of(9, 1), padded)]),
      codes.protocol,
    ],
    [
      'padding without length [RFC 9113 6.1]',
      Buffer.concat([open(1), data(1, Buffer.alloc(0), padded)]),
      codes.frameSize,
    ],
    ['HEADERS on no stream [RFC 9113 6.2]', request(0), codes.protocol],
    ['a stream with an even number [RFC 9113 5.1.1]', request(2), codes.protocol],
    ['a stream that was passed over [RFC 9113 5.1.1]', skipped, codes.protocol],
    [
      'headers whose priority is cut short [RFC 9113 6.2]',
      frame(types.headers, { stream: 1, flags: 0x24, payload: Buffer.alloc(4) }),
      codes.frameSize,
    ],
    [
      'a block that cannot be read [RFC 9113 4.3]',
      frame(types.headers, { stream: 1, flags: 5, payload: Buffer.of(0x80) }),
      codes.compression,
    ],
    [
      'another frame amid a header block [RFC 9113 4.3]',
      Buffer.concat([request(1, { flags: 0 }), frame(types.ping, { payload: opaque })]),
      codes.protocol,
    ],
    [
      'the block of another stream amid one [RFC 9113 6.10]',
      Buffer.concat([request(1, { flags: 0 }), frame(types.continuation, { stream: 3, flags: 4 })]),
      codes.protocol,
    ],
    [
      'CONTINUATION of nothing [RFC 9113 6.10]',
      frame(types.continuation, { stream: 1, flags: 4 }),
      codes.protocol,
    ],
    [
      'PRIORITY of a bad length [RFC 9113 6.3]',
      frame(types.priority, { stream: 1, payload: Buffer.alloc(4) }),
      codes.frameSize,
    ],
    [
      'RST_STREAM of a bad length [RFC 9113 6.4]',
      Buffer.concat([open(1), frame(types.rstStream, { stream: 1, payload: Buffer.alloc(3) })]),
      codes.frameSize,
    ],
    [
      'RST_STREAM on an idle stream [RFC 9113 6.4]',
      frame(types.rstStream, { stream: 1, payload: uint32(8) }),
      codes.protocol,
    ],
    [
      'RST_STREAM on no stream [RFC 9113 6.4]',
      frame(types.rstStream, { payload: uint32(8) }),
      codes.protocol,
    ],
    ['SETTINGS on a stream [RFC 9113 6.5]', frame(types.settings, { stream: 1 }), codes.protocol],
    [
      'SETTINGS of a bad length [RFC 9113 6.5]',
      frame(types.settings, { payload: Buffer.alloc(5) }),
      codes.frameSize,
    ],
    [
      'an acknowledgement that says more [RFC 9113 6.5]',
      frame(types.settings, { flags: ack, payload: Buffer.alloc(6) }),
      codes.frameSize,
    ],
    [
      'a window larger than there may be [RFC 9113 6.5.2]',
      settings([settingIds.initialWindowSize, 2 ** 31]),
      codes.flowControl,
    ],
    ['half a push [RFC 9113 6.5.2]', settings([settingIds.enablePush, 2]), codes.protocol],
    ['frames too small [RFC 9113 6.5.2]', settings([settingIds.maxFrameSize, 16_383]), 1],
    ['frames too large [RFC 9113 6.5.2]', settings([settingIds.maxFrameSize, 2 ** 24]), 1],
    [
      'PUSH_PROMISE of a client [RFC 9113 8.4]',
      frame(types.pushPromise, { stream: 1, flags: 4, payload: uint32(2) }),
      codes.protocol,
    ],
    [
      'PING of a bad length [RFC 9113 6.7]',
      frame(types.ping, { payload: Buffer.alloc(7) }),
      codes.frameSize,
    ],
    [
      'PING on a stream [RFC 9113 6.7]',
      frame(types.ping, { stream: 1, payload: opaque }),
      codes.protocol,
    ],
    [
      'GOAWAY on a stream [RFC 9113 6.8]',
      frame(types.goAway, { stream: 1, payload: opaque }),
      codes.protocol,
    ],
    [
      'GOAWAY cut short [RFC 9113 6.8]',
      frame(types.goAway, { payload: Buffer.alloc(7) }),
      codes.frameSize,
    ],
    [
      'a window that grows by nothing [RFC 9113 6.9]',
      frame(types.windowUpdate, { payload: uint32(0) }),
      codes.protocol,
    ],
    [
      'WINDOW_UPDATE of a bad length [RFC 9113 6.9]',
      frame(types.windowUpdate, { payload: Buffer.alloc(3) }),
      codes.frameSize,
    ],
    [
      'WINDOW_UPDATE on an idle stream [RFC 9113 5.1]',
      frame(types.windowUpdate, { stream: 1, payload: uint32(1) }),
      codes.protocol,
    ],
    [
      'a window that overflows [RFC 9113 6.9.1]',
      frame(types.windowUpdate, { payload: uint32(2 ** 31 - 1) }),
      codes.flowControl,
    ],
    [
      'a frame that is too large [RFC 9113 4.2]',
      frame(types.data, { stream: 1, payload: Buffer.alloc(16_385) }),
      codes.frameSize,
    ],
  ])('%s', async (_what, bytes, code) => {
    const peer = bench.greeted()
    peer.write(bytes)
    expect(await peer.goneWith()).toBe(code)
    expect(bench.failures.length).toBe(1)
    await expectWell()
  })

  it('more data than there was room for [RFC 9113 6.9.1]', async () => {
    const peer = bench.greeted()
    const full = Buffer.alloc(16_384)
    // Nobody reads the stream, so that its window is not widened.
    peer.write(open(1), ...Array.from({ length: 4 }, () => data(1, full)))
    expect(await peer.goneWith()).toBe(codes.flowControl)
  })

  it('a window of a stream that overflows by new settings [RFC 9113 6.9.2]', async () => {
    const peer = bench.greeted()
    const most = 2 ** 31 - 1
    peer.write(open(1), frame(types.windowUpdate, { stream: 1, payload: uint32(most - 65_535) }))
    peer.write(settings([settingIds.initialWindowSize, 65_536]))
    expect(await peer.goneWith()).toBe(codes.flowControl)
  })

  it('headers on a stream that was closed [RFC 9113 5.1]', async () => {
    const peer = bench.greeted()
    peer.write(open(1), frame(types.rstStream, { stream: 1, payload: uint32(8) }), request(1))
    expect(await peer.goneWith()).toBe(codes.streamClosed)
  })
})

describe('what ends a stream, and nothing else', () => {
  it.each<[string, readonly Buffer[], number]>([
    ['a malformed request [RFC 9113 8.1.1]', [request(1, { more: [['A', 'b']] })], codes.protocol],
    ['data after its end [RFC 9113 5.1]', [request(1), data(1)], codes.streamClosed],
    ['headers after its end [RFC 9113 5.1]', [request(1), request(1)], codes.streamClosed],
    [
      'a second block that does not end it [RFC 9113 8.1]',
      [open(1), request(1, { flags: endHeaders, lines: [['a', 'b']] })],
      codes.protocol,
    ],
    [
      'trailers with a path [RFC 9113 8.1]',
      [open(1), request(1, { lines: [[':path', '/']] })],
      codes.protocol,
    ],
    [
      'less data than it says [RFC 9113 8.1.1]',
      [
        request(1, { flags: endHeaders, more: [['content-length', '2']] }),
        data(1, Buffer.of(1), endStream),
      ],
      codes.protocol,
    ],
    [
      'more data than it says [RFC 9113 8.1.1]',
      [
        request(1, { flags: endHeaders, more: [['content-length', '2']] }),
        data(1, Buffer.alloc(3)),
      ],
      codes.protocol,
    ],
    [
      'a length without data [RFC 9113 8.1.1]',
      [request(1, { more: [['content-length', '2']] })],
      codes.protocol,
    ],
    [
      'a window that grows by nothing [RFC 9113 6.9]',
      [open(1), frame(types.windowUpdate, { stream: 1, payload: uint32(0) })],
      codes.protocol,
    ],
    [
      'a window that overflows [RFC 9113 6.9.1]',
      [open(1), frame(types.windowUpdate, { stream: 1, payload: uint32(2 ** 31 - 1) })],
      codes.flowControl,
    ],
  ])('%s', async (_what, frames, code) => {
    const peer = bench.greeted()
    peer.write(...frames, request(3))
    expect(await peer.resetOf(1)).toBe(code)
    await peer.settled()
    expect(bench.streams.at(-1)?.id).toBe(3)
    expect(bench.streams.filter(({ isClosed }) => !isClosed).map(({ id }) => id)).toEqual([3])
  })

  it('one more than a peer may have [RFC 9113 5.1.2]', async () => {
    bench.maxStreams = 2
    const peer = bench.greeted()
    peer.write(open(1), open(3), open(5))
    expect(await peer.resetOf(5)).toBe(7)
    peer.write(frame(types.rstStream, { stream: 3, payload: uint32(8) }), open(7))
    await peer.settled()
    expect(bench.streams.map(({ id }) => id)).toEqual([1, 3, 7])
  })

  it('a header list that is too large, and the next one is read [RFC 9113 6.5.2]', async () => {
    const peer = bench.greeted()
    const more = Array.from({ length: 130 }, () => ['a', 'b'] as const)
    peer.write(request(1, { more }), request(3))
    expect(await peer.resetOf(1)).toBe(11)
    await peer.settled()
    expect(bench.streams.map(({ id }) => id)).toEqual([3])
  })
})

describe('what is allowed', () => {
  it('padding, priorities, unknown frames, GOAWAY and acknowledgements change nothing [RFC 9113 5.5] [RFC 9113 5.3.2]', async () => {
    const peer = bench.greeted([9, 1])
    const [, block = Buffer.alloc(0)] = [0, open(1).subarray(9)]
    const priority = Buffer.of(0, 0, 0, 3, 16)
    const payload = Buffer.concat([Buffer.of(2), priority, block, Buffer.alloc(2)])
    peer.write(
      frame(types.settings, { flags: ack }),
      frame(0xbe, { stream: 7, payload: opaque }),
      frame(types.priority, { stream: 9, payload: priority }),
      frame(types.headers, { stream: 1, flags: 0x2c, payload }),
      data(1, Buffer.of(3, 7, 0, 0, 0), padded),
      frame(types.goAway, { payload: opaque }),
      request(1, { lines: [['trailer', 'x']] }),
    )
    await peer.settled()
    const [stream] = bench.streams
    const read: Buffer[] = []
    stream?.read({ data: (bytes) => read.push(bytes), end: () => read.push(Buffer.from('end')) })
    expect(Buffer.concat(read).toString('latin1')).toBe('\x07end')
    expect(bench.failures).toEqual([])
  })

  it('a block in several frames is one [RFC 9113 6.10]', async () => {
    const peer = bench.greeted()
    const block = request(1).subarray(9)
    peer.write(frame(types.headers, { stream: 1, flags: endStream, payload: block.subarray(0, 1) }))
    peer.write(frame(types.continuation, { stream: 1, payload: block.subarray(1, 3) }))
    peer.write(
      frame(types.continuation, { stream: 1, flags: endHeaders, payload: block.subarray(3) }),
    )
    await peer.settled()
    expect(bench.streams.map(({ isRemoteClosed }) => isRemoteClosed)).toEqual([true])
  })

  it('every PING is answered with what it says [RFC 9113 6.7]', async () => {
    const peer = bench.greeted()
    const payload = Buffer.from('8 bytes!')
    peer.write(frame(types.ping, { payload }))
    const pong = await peer.next(({ type }) => type === types.ping)
    expect([pong.flags, pong.payload]).toEqual([ack, payload])
  })

  it('what was under way when its stream was ended here is passed over [RFC 9113 5.1]', async () => {
    bench.onRequest = (stream) => stream.reset(8)
    const peer = bench.greeted()
    peer.write(open(1), data(1), request(1, { lines: [['a', 'b']] }))
    peer.write(frame(types.windowUpdate, { stream: 1, payload: uint32(1) }), request(3))
    expect(await peer.resetOf(3)).toBe(8)
    expect(bench.failures).toEqual([])
  })
})

/** Another connection is served. */
async function expectWell(): Promise<void> {
  const peer: RawPeer = bench.greeted()
  await peer.settled()
  peer.socket.destroy()
}
