import { connect } from 'node:net'
import type { Clock } from '../clock.ts'
import { systemText } from '../os-error.ts'

/** How long a peer may take to say that it speaks HTTP/2. */
const patienceMs = 20_000
/** The largest frame that may come before a larger one was agreed on. */
const largestFrameBytes = 16_384
const frameHeaderBytes = 9
const settingsType = 4
const preface = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  Buffer.from([0, 0, 0, settingsType, 0, 0, 0, 0, 0]),
])

/** Why nobody can be spoken to: nobody took the connection, or who did is no gRPC server. */
export interface SocketProblem {
  readonly stage: 'dial' | 'preface' | 'deadline'
  /** As Go words it. */
  readonly text: string
}

/** Options of {@link checkSocket}. */
export interface CheckSocketOptions {
  readonly clock: Clock
  /** The whole time there is; undefined: as long as it takes. */
  readonly timeoutMs?: number | undefined
}

/** Connects to a socket, and makes sure that HTTP/2 is spoken there. */
export function checkSocket(
  path: string,
  { clock, timeoutMs = Number.POSITIVE_INFINITY }: CheckSocketOptions,
): Promise<SocketProblem | undefined> {
  return new Promise((done) => {
    let isConnected = false
    let received = Buffer.alloc(0)
    const socket = connect({ path })
    const finish = (problem?: SocketProblem): void => {
      timer.cancel()
      socket.destroy()
      done(problem)
    }
    const timer = clock.setTimer(Math.min(timeoutMs, patienceMs), () =>
      finish(
        timeoutMs <= patienceMs
          ? { stage: 'deadline', text: 'no time left' }
          : {
              stage: 'preface',
              text: `raw-read unix @->${path}: use of closed network connection`,
            },
      ),
    )
    socket.once('connect', () => {
      isConnected = true
      socket.write(preface)
    })
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk])
      if (received.length < frameHeaderBytes) return
      const text = problemOf(received)
      finish(text === undefined ? undefined : { stage: 'preface', text })
    })
    socket.once('error', (error) =>
      finish({ stage: isConnected ? 'preface' : 'dial', text: systemText(error) }),
    )
    socket.once('end', () => finish({ stage: 'preface', text: 'EOF' }))
  })
}

/** What is wrong with a server's first frame. */
function problemOf(bytes: Buffer): string | undefined {
  if (bytes.readUIntBE(0, 3) > largestFrameBytes) {
    return bytes.subarray(0, frameHeaderBytes).toString('latin1') === 'HTTP/1.1 '
      ? 'http2: failed reading the frame payload: http2: frame too large, note that the frame header looked like an HTTP/1.1 header'
      : 'http2: frame too large'
  }
  return bytes[3] === settingsType ? undefined : 'the first frame is not a settings frame'
}
