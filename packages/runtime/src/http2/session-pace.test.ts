import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { encodeHeaders } from './hpack/header-encoder.ts'
import { frameTypes as types } from './protocol.ts'
import { type RawPeer, request, SessionBench } from './session.test-kit.ts'

let bench: SessionBench
let allowance: number
beforeEach(async () => {
  bench = await SessionBench.start()
  allowance = 3
  const from = bench.clock.nowMs()
  // One a second, after three at once.
  const left = (): number => allowance + Math.floor((bench.clock.nowMs() - from) / 1000)
  bench.pace = {
    take: () => {
      allowance--
    },
    waitMs: () => (1 - left()) * 1000,
  }
  bench.onRequest = (stream) => stream.sendHeaders(encodeHeaders([[':status', '200']]), true)
})
afterEach(() => bench[Symbol.asyncDispose]())

const hasAnswer = (stream: number) => (came: { stream: number; type: number }) =>
  came.stream === stream && came.type === types.headers

/** Asks something that is answered. */
async function asks(peer: RawPeer, stream: number): Promise<void> {
  peer.write(request(stream))
  await peer.next(hasAnswer(stream))
}

describe('a peer that asks too fast', () => {
  it('is read no further until its time has come, and loses nothing [gate 9]', async () => {
    const peer = bench.greeted()
    await asks(peer, 1)
    await asks(peer, 3)
    await asks(peer, 5)
    peer.write(request(7))
    peer.write(request(9))
    // Another one's answers come meanwhile: the loop has looked at this one's socket by then.
    const { pace } = bench
    bench.pace = undefined
    const other = bench.greeted()
    for (let id = 1; id < 20; id += 2) await asks(other, id)
    bench.pace = pace
    expect(peer.came.some(hasAnswer(7))).toBe(false)
    bench.clock.advance(1000)
    await peer.next(hasAnswer(7))
    bench.clock.advance(5000)
    await peer.next(hasAnswer(9))
    expect(bench.failures).toEqual([])
  })

  it('is not cut off amid a frame that is not read', async () => {
    const peer = bench.greeted()
    const whole = request(7)
    peer.write(request(1), request(3), request(5), whole.subarray(0, 12))
    await peer.next(hasAnswer(5))
    for (let second = 0; second < 20; second++) {
      allowance--
      bench.clock.advance(1000)
    }
    peer.write(whole.subarray(12))
    bench.clock.advance(1000)
    await peer.next(hasAnswer(7))
    expect(bench.failures).toEqual([])
  })

  it('has its questions whether anybody is there counted, too', async () => {
    const peer = bench.greeted()
    await peer.settled()
    expect(allowance).toBe(2)
    await asks(peer, 1)
    expect(allowance).toBe(1)
  })

  it('leaves nothing behind when it goes', async () => {
    const peer = bench.greeted()
    for (const id of [1, 3, 5]) await asks(peer, id)
    bench.sessions[0]?.destroy()
    await peer.closed
    await expect.poll(() => bench.closed).toBe(1)
    expect(bench.clock.timerCount).toBe(0)
  })

  it('hears that it should go elsewhere', async () => {
    const peer = bench.greeted()
    for (const id of [1, 3, 5]) await asks(peer, id)
    bench.sessions[0]?.retire()
    await peer.next(({ type }) => type === types.goAway)
    bench.clock.advance(60_000)
    await peer.closed
    expect(bench.clock.timerCount).toBe(0)
  })
})
