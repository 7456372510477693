import { closeSync, fstatSync, openSync, writeSync } from 'node:fs'
import { endByBrokenPipe, isBrokenPipe } from '../broken-pipe.ts'
import { type Clock, sleep } from '../clock.ts'

/** Where log lines go. Writing never throws. */
export interface LogDestination {
  readonly isTerminal: boolean
  write(text: string): void
  /** Opens the file anew, after it was moved away. @throws the system's error, the old file still in use */
  reopen?(): void
}

/**
 * Standard output. Where it is a pipe, as in a shell or a container, the process ends with its reader, as SPIRE does; a
 * socket is the system's journal, which may start anew without ending a daemon.
 */
export function standardOutput(): LogDestination {
  const isPipe = fstatSync(1).isFIFO()
  process.stdout.on('error', (error) => {
    if (isPipe && isBrokenPipe(error)) endByBrokenPipe()
  })
  return {
    isTerminal: process.stdout.isTTY === true,
    write: (text) => {
      process.stdout.write(text)
    },
  }
}

/** What a reader that takes nothing may cost the end of a daemon. */
const patienceMs = 5_000

/** Resolves when the reader of standard output has all that was logged: lines that wait for one who is slow end with the process. */
export async function standardOutputTaken(clock: Clock): Promise<void> {
  if (process.stdout.writableLength === 0) return
  const taken = new AbortController()
  process.stdout.write('', () => taken.abort())
  await sleep(clock, patienceMs, taken.signal)
}

/** Takes every line and keeps none. */
export const noDestination: LogDestination = { isTerminal: false, write: () => {} }

/**
 * A file that is appended to, created with mode 0640 when missing.
 *
 * @throws the system's error
 */
export function logFile(path: string): LogDestination {
  const open = (): number => openSync(path, 'a', 0o640)
  let descriptor = open()
  return {
    isTerminal: false,
    write(text) {
      try {
        writeSync(descriptor, text)
      } catch {
        // A full disk loses lines, not the daemon.
      }
    },
    reopen() {
      const old = descriptor
      descriptor = open()
      closeSync(old)
    },
  }
}
