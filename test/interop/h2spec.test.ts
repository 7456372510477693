import { execFile } from 'node:child_process'
import { type AddressInfo, createServer } from 'node:net'
import { promisify } from 'node:util'
import { systemClock } from '@mini-spire/runtime/clock'
import { encodeHeaders } from '@mini-spire/runtime/http2/hpack/header-encoder'
import { RequestMemory } from '@mini-spire/runtime/http2/request-memory'
import { ServerSession } from '@mini-spire/runtime/http2/server-session'
import { beforeAll, describe, expect, it } from 'vitest'
import { ServerDeployment } from '../kit/deployment.ts'
import { h2specPeer, isGoMissing } from '../kit/peers.ts'
import { Scene } from '../kit/processes.ts'

const run = promisify(execFile)
/** Each test waits so long, in seconds, for what has to come. */
const patience = '2'

interface Verdict {
  /** As h2spec counts: `145 tests, 145 passed, 0 skipped, 0 failed`. */
  readonly summary: string
  /** Each failure as it says it in its list at the end. */
  readonly failures: readonly string[]
}

/** What h2spec's own output says of a server. */
function verdict(output: string): Verdict {
  const summary = /\d+ tests, .*$/m.exec(output)?.[0] ?? output
  const [, list = ''] = output.split(/^Failures:/m)
  const failures = [...list.matchAll(/× \d+: (.*)$/gm)].map(([, title = '']) => title)
  return { summary, failures }
}

describe.skipIf(isGoMissing())('h2spec', () => {
  let h2spec: string
  beforeAll(async () => {
    h2spec = await h2specPeer()
  })

  async function judge(port: number, ...options: readonly string[]): Promise<Verdict> {
    const args = ['-h', '127.0.0.1', '-p', String(port), '-o', patience, ...options]
    const { stdout } = await run(h2spec, args, { maxBuffer: 1 << 24 }).catch(
      (error: { readonly stdout: string }) => error,
    )
    return verdict(stdout)
  }

  it('finds nothing wrong with a session that answers as a web server does [RFC 9113] [RFC 7541]', async () => {
    await using sessions = await webServer()
    expect(await judge(sessions.port)).toEqual({
      summary: expect.stringMatching(/, 0 failed$/),
      failures: [],
    })
  })

  it('finds that the server is one of gRPC, which answers other requests without a body, and nothing else [RFC 9113]', async () => {
    await using scene = new Scene()
    const server = await ServerDeployment.start(scene)
    const { failures } = await judge(server.port, '-t', '-k')
    expect(failures).toEqual([
      'Sends a WINDOW_UPDATE frame on half-closed (remote) stream',
      'Sends a PRIORITY frame on half-closed (remote) stream',
      'Sends HEADERS frames that causes their advertised concurrent stream limit to be exceeded',
    ])
    server.must('healthcheck')
  })
})

/** Sessions that wait for the end of each request and answer it with a few bytes. */
async function webServer(): Promise<{ readonly port: number } & AsyncDisposable> {
  const headers = encodeHeaders([[':status', '200']])
  const trailers = encodeHeaders([['x', 'y']])
  const bytes = 64 * 1024 * 1024
  const limits = { maxBytes: bytes, maxBytesOfStrangers: bytes, maxBytesPerAddress: bytes }
  const memory = new RequestMemory(limits)
  const server = createServer((socket) => {
    socket.on('error', () => {})
    new ServerSession({
      socket,
      clock: systemClock,
      maxStreams: 100,
      memory: memory.shareOf({ address: '127.0.0.1', isStranger: true }),
      retireMs: 1_000,
      onRequest: (stream) =>
        stream.read({
          data: () => {},
          end: () => stream.sendAnswer({ headers, data: Buffer.from('an answer'), trailers }),
        }),
      onClosed: () => {},
      onFailed: () => {},
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => void server.close(),
  }
}
