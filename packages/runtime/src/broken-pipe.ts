/**
 * Ends this process as the system ends one that writes to a pipe without a reader: by SIGPIPE, which a shell shows as 141.
 *
 * Node ignores that signal from its start. A listener that comes and goes leaves its default in place.
 */
export function endByBrokenPipe(): never {
  const ignore = (): void => {}
  process.on('SIGPIPE', ignore).off('SIGPIPE', ignore)
  process.kill(process.pid, 'SIGPIPE')
  // The signal may reach another thread first: this one must not go on meanwhile.
  process.exit(141)
}

/** Whether a write failed because nobody reads any more. */
export function isBrokenPipe(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EPIPE'
}
