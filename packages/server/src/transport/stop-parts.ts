import type { Logger } from '@mini-spire/runtime/log/logger'
import { messageOf } from '@mini-spire/sdk/errors'

/** Stops parts of the server in the order given, each once the one before has stopped. A failure is logged, the rest goes on. */
export async function stopParts(
  closers: readonly (() => Promise<unknown>)[],
  log: Logger,
): Promise<void> {
  for (const close of closers) {
    try {
      await close()
    } catch (error) {
      log.error('Failed to stop a part of the server', { error: messageOf(error) })
    }
  }
}
