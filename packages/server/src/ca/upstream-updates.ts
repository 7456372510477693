import type { Logger } from '@mini-spire/runtime/log/logger'

/** What is done with the updates of one call to the upstream authority. */
export interface UpdateHandling<Update> {
  readonly updates: AsyncIterable<Update>
  readonly take: (update: Update) => Promise<unknown>
  /** Log lines when an update could not be taken, and when the plugin failed rather than ended. */
  readonly texts: { readonly takeFailed: string; readonly streamFailed: string }
}

/**
 * The call to the upstream authority whose updates are followed now. Each new call ends the one before it: its signal
 * aborts, and its last update has been taken before the new call begins.
 */
export class UpstreamUpdates {
  readonly #log: Logger
  #ending = new AbortController()
  #following: Promise<void> = Promise.resolve()

  constructor(log: Logger) {
    this.#log = log
  }

  /** Ends the call before and gives the signal of the next. */
  async restart(): Promise<AbortController> {
    await this.stop()
    this.#ending = new AbortController()
    return this.#ending
  }

  /** Follows the updates of the call that was begun last, until it ends. */
  follow<Update>(handling: UpdateHandling<Update>): void {
    this.#following = this.#follow(handling, this.#ending.signal)
  }

  /** Resolves when the updates end, or the call has been ended. */
  async ended(): Promise<void> {
    await this.#following
  }

  async stop(): Promise<void> {
    this.#ending.abort()
    await this.#following
  }

  async #follow<Update>(handling: UpdateHandling<Update>, signal: AbortSignal): Promise<void> {
    const { updates, take, texts } = handling
    try {
      for await (const update of updates) {
        if (signal.aborted) return
        await take(update).catch((error: unknown) => this.#log.error(texts.takeFailed, { error }))
      }
    } catch (error) {
      if (!signal.aborted) this.#log.error(texts.streamFailed, { error })
    }
  }
}
