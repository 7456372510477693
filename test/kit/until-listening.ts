import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

const pauseMs = 20

/** Waits until somebody listens at a port of localhost: a program may say that it does just before it does. */
export async function untilListening(port: number, timeoutMs = 30_000): Promise<void> {
  const givenUpAt = performance.now() + timeoutMs
  while (!(await accepts(port))) {
    if (performance.now() > givenUpAt) throw new Error(`nobody listens at port ${port}`)
    await pause(pauseMs)
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
