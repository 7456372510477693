import { closeSync, openSync, writeSync } from 'node:fs'

/** Where log lines go. Writing never throws: a daemon outlives its log. */
export interface LogDestination {
  readonly isTerminal: boolean
  write(text: string): void
  /** Opens the file anew, after it was moved away. @throws the system's error, the old file still in use */
  reopen?(): void
}

/** Standard output. A reader that goes away is no reason to stop. */
export function standardOutput(): LogDestination {
  process.stdout.on('error', () => {})
  return {
    isTerminal: process.stdout.isTTY === true,
    write: (text) => {
      process.stdout.write(text)
    },
  }
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
