import { readFileSync, writeSync } from 'node:fs'
import { endByBrokenPipe, isBrokenPipe } from '../broken-pipe.ts'

/** What a command sees of the world. Tests hand in their own. */
export interface Terminal {
  readonly environment: { readonly [name: string]: string | undefined }
  /** Writes to standard output, as it is. */
  out(text: string): void
  /** Writes to standard error, as it is. */
  err(text: string): void
  /** All of standard input. */
  readInput(): Uint8Array
}

/**
 * The terminal of this process. Writing is synchronous, so that nothing is lost when the process ends; when nobody reads what
 * it writes any more, the process ends.
 */
export function processTerminal(): Terminal {
  return {
    environment: process.env,
    out: (text) => writeAll(1, text),
    err: (text) => writeAll(2, text),
    readInput: () => readFileSync(0),
  }
}

function writeAll(descriptor: number, text: string): void {
  const bytes = Buffer.from(text)
  let written = 0
  while (written < bytes.length) {
    try {
      written += writeSync(descriptor, bytes, written)
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined
      // A pipe that somebody else made non-blocking is full for a moment.
      if (code === 'EAGAIN') continue
      if (isBrokenPipe(error)) endByBrokenPipe()
      return
    }
  }
}
