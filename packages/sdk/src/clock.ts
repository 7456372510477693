/** Where time comes from. Production uses {@link systemClock}; tests move a fake one. */
export interface Clock {
  /** The current instant. */
  now(): Date
  /** The current instant in milliseconds since 1970; what hot paths use. */
  nowMs(): number
  /** Calls back once after a delay; the handle cancels it. Does not keep the process alive. */
  setTimer(delayMs: number, callback: () => void): Timer
}

/** A timer that has been set. */
export interface Timer {
  cancel(): void
}

/** Node cannot sleep longer than this in one go; longer delays are slept in pieces. */
const longestDelayMs = 2 ** 31 - 1

/** The machine's own time. */
export const systemClock: Clock = {
  now: () => new Date(),
  nowMs: () => Date.now(),
  setTimer(delayMs, callback) {
    let handle: NodeJS.Timeout
    const sleep = (left: number): void => {
      const piece = Math.min(Math.max(left, 0), longestDelayMs)
      handle = setTimeout(() => (left > piece ? sleep(left - piece) : callback()), piece)
      handle.unref()
    }
    sleep(delayMs)
    return { cancel: () => clearTimeout(handle) }
  },
}

/**
 * Waits, and ends early when the signal aborts. Resolves to whether the time passed (false: aborted).
 */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<boolean> {
  if (signal?.aborted) return Promise.resolve(false)
  return new Promise((resolve) => {
    const onAbort = (): void => {
      timer.cancel()
      resolve(false)
    }
    const timer = clock.setTimer(delayMs, () => {
      signal?.removeEventListener('abort', onAbort)
      resolve(true)
    })
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}
