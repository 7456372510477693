import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

const pauseMs = 20

/** Waits until somebody listens at a port of localhost: a program may say that it does just before it does. */
export async function untilListening(port: number, timeoutMs = 30_000): Promise<void> {
  const givenUpAt = performance.now() + timeoutMs
  while (!(await isListening({ port, host: '127.0.0.1' }))) {
    if (performance.now() > givenUpAt) throw new Error(`nobody listens at port ${port}`)
    await pause(pauseMs)
  }
}

/** Whether a connection is accepted at a port, or at the path of a socket. */
export function isListening(
  at: { readonly port: number; readonly host: string } | { readonly path: string },
): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(at, () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
