import { connect } from 'node:http2'
import { connect as connectSocket } from 'node:net'
import { isSpiffeError } from '@mini-spire/sdk/errors'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { encodeHeaders, type HeaderLine } from './hpack/header-encoder.ts'
import { preface } from './protocol.ts'
import { frame, request, SessionBench, settings } from './session.test-kit.ts'

const seed = 9_113
const name = fc.stringMatching(/^x-[a-z0-9]{1,20}$/)
const value = fc.stringMatching(/^[!-~]([ -~]{0,60}[!-~])?$/)
const list = fc.uniqueArray(fc.tuple(name, value), { maxLength: 12, selector: ([key]) => key })

it('reads what another encoder writes, and writes what its decoder reads [RFC 7541]', async () => {
  await using bench = await SessionBench.start()
  const lines: HeaderLine[] = []
  bench.onRequest = (stream) => {
    const echoed = lines.flatMap(([key]) =>
      stream.headers.values(key).map((v) => [key, v] as const),
    )
    stream.sendHeaders(encodeHeaders([[':status', '200'], ...echoed]), true)
  }
  const session = connect('http://localhost', { createConnection: () => connectSocket(bench.path) })
  const echo = (sent: readonly HeaderLine[]): Promise<Record<string, unknown>> =>
    new Promise((resolve, reject) => {
      lines.splice(0, lines.length, ...sent)
      const stream = session.request({ ':path': '/', ...Object.fromEntries(sent) })
      stream.on('response', resolve)
      stream.on('error', reject)
      stream.resume()
    })
  // One connection for all of them: each block builds on the tables of those before.
  await fc.assert(
    fc.asyncProperty(list, async (sent) => {
      const came = await echo(sent)
      for (const [key, expected] of sent) expect(came[key]).toBe(expected)
    }),
    { seed, numRuns: 300 },
  )
  session.destroy()
  expect(bench.failures).toEqual([])
})

const byte = fc.integer({ min: 0, max: 255 })
const anyFrame = fc
  .record({
    type: fc.integer({ min: 0, max: 10 }),
    flags: byte,
    stream: fc.integer({ min: 0, max: 8 }),
    payload: fc.uint8Array({ maxLength: 40 }),
  })
  .map(({ type, ...rest }) => frame(type, rest))
const goodFrame = fc.integer({ min: 0, max: 6 }).map((n) => request(2 * n + 1))
const conversation = fc.array(fc.oneof(anyFrame, goodFrame), { maxLength: 30 })

it('takes any frames in any order without a fault of its own, and leaves nothing behind [gate 9]', async () => {
  await using bench = await SessionBench.start()
  const answer = {
    headers: encodeHeaders([[':status', '200']]),
    trailers: encodeHeaders([['x', 'y']]),
  }
  bench.onRequest = (stream) =>
    stream.read({ data: () => {}, end: () => stream.sendAnswer({ ...answer, data: Buffer.of(1) }) })
  let connections = 0
  await fc.assert(
    fc.asyncProperty(conversation, fc.boolean(), async (frames, isSplit) => {
      const peer = bench.connect()
      connections++
      const bytes = Buffer.concat([preface, settings(), ...frames])
      if (isSplit)
        for (let at = 0; at < bytes.length; at += 7) peer.write(bytes.subarray(at, at + 7))
      else peer.write(bytes)
      peer.socket.end()
      await peer.closed
    }),
    { seed, numRuns: 400 },
  )
  await expect.poll(() => bench.closed).toBe(connections)
  expect(bench.failures.filter((error) => !isSpiffeError(error))).toEqual([])
  expect(bench.streams.every(({ isClosed }) => isClosed)).toBe(true)
  expect(bench.clock.timerCount).toBe(0)
})
