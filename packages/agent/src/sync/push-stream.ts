import { type Clock, sleep, type Timer } from '@mini-spire/runtime/clock'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { isSpiffeError, messageOf } from '@mini-spire/sdk/errors'
import type { PushLink, PushStep, ServerApi } from '../server-api/server-api.ts'
import { ServerApiError } from '../server-api/server-api-error.ts'
import { verdictOf } from '../server-api/verdict.ts'
import type { PulledState } from './pull-entries.ts'
import type { PushedSet } from './pushed-set.ts'

/** The server says every ten seconds that nothing is new: longer silence means that the connection is lost. */
const maxSilenceMs = 30_000

/** A stream that broke is opened again within this time, by chance: all agents of a server lose theirs at once. */
const reopenWithinMs = 1_000

/** Options of {@link PushStream}. */
export interface PushStreamOptions {
  readonly server: Pick<ServerApi, 'push' | 'offersPush'>
  readonly set: PushedSet
  /** Takes over what has come; resolves when it is in use. */
  readonly apply: (state: PulledState) => Promise<void>
  /** The server is there and has nothing new. */
  readonly onQuiet: () => void
  readonly clock: Clock
  readonly log: Logger
  /** A number in [0, 1), anew at each call. */
  readonly chance: () => number
}

/**
 * Follows what the server pushes: opens with what is held, takes in each change, acknowledges it with the agent's own digest.
 * What differs from the server's digest is not used, and brings a snapshot.
 */
export class PushStream {
  readonly #options: PushStreamOptions

  constructor(options: PushStreamOptions) {
    this.#options = options
  }

  /** False: the server has said that it does not push on this connection. */
  get isOffered(): boolean {
    return this.#options.server.offersPush
  }

  /**
   * Follows until the signal aborts or the stream cannot be had any more. The server ends a stream in its own time, and it is
   * opened again at once; one that breaks is opened again once.
   *
   * @throws when the server has decided about this agent: banned, or to attest anew
   */
  async follow(signal: AbortSignal): Promise<void> {
    const { clock, log, chance } = this.#options
    for (let failures = 0; failures < 2 && !signal.aborted && this.isOffered; ) {
      const seen = { proofs: 0 }
      try {
        await this.#once(signal, seen)
        // A server that ends every stream at once would be asked for ever.
        failures = seen.proofs > 0 ? 0 : failures + 1
      } catch (error) {
        if (signal.aborted) return
        if (verdictOf(error)) {
          const cause = (error instanceof ServerApiError && error.cause) || error
          log.error('Failed to fetch authorized entries', { error: messageOf(cause) })
          throw error
        }
        failures = seen.proofs > 0 ? 1 : failures + 1
        log.debug('Push stream ended', { error: messageOf(error) })
        if (!this.isOffered) return
        await sleep(clock, chance() * reopenWithinMs, signal)
      }
    }
  }

  #once(signal: AbortSignal, seen: { proofs: number }): Promise<void> {
    return this.#options.server.push((link) => this.#run(link, signal, seen))
  }

  async #run(link: PushLink, signal: AbortSignal, seen: { proofs: number }): Promise<void> {
    const { set } = this.#options
    const ending = new AbortController()
    const end = (): void => ending.abort()
    const steps = new StepQueue()
    const silence = new SilenceGuard(this.#options.clock, end)
    signal.addEventListener('abort', end, { once: true })
    link.retired.addEventListener('abort', end, { once: true })
    if (signal.aborted || link.retired.aborted) end()
    steps.push({ kind: 'open', held: set.held, bundlesDigest: set.bundlesDigest })
    try {
      for await (const message of link.messages(steps, ending.signal)) {
        silence.heard()
        const { kind } = message.content
        const taken = set.take(message)
        if (taken === 'more') continue
        if (taken === 'complete') {
          seen.proofs++
          await this.#use(kind)
        } else if (kind === 'heartbeat') return
        else this.#checkProgress(kind)
        if (kind !== 'heartbeat' && set.held) steps.push({ kind: 'ack', held: set.held })
      }
    } catch (error) {
      // Left by us, for another connection or for good: no failure.
      if (!(ending.signal.aborted && isSpiffeError(error) && error.kind === 'canceled')) throw error
      if (silence.isBroken) throw silence.error
    } finally {
      silence.stop()
      steps.end()
      signal.removeEventListener('abort', end)
      link.retired.removeEventListener('abort', end)
    }
  }

  async #use(kind: string): Promise<void> {
    const { set, apply, onQuiet } = this.#options
    const { state } = set
    if (kind === 'heartbeat' || !state) onQuiet()
    else await apply(state)
  }

  /** A snapshot that is not what its own digest says cannot be cured by another. */
  #checkProgress(kind: string): void {
    if (kind === 'snapshot')
      throw new ServerApiError('ERR_SERVER_ANSWER', 'a snapshot is not what its digest says')
    this.#options.log.warn('What is held differs from what the server has; asking for all of it')
  }
}

/** Ends a stream on which nothing has come for too long. */
class SilenceGuard {
  isBroken = false
  readonly #clock: Clock
  readonly #end: () => void
  #timer: Timer | undefined

  constructor(clock: Clock, end: () => void) {
    this.#clock = clock
    this.#end = end
    this.heard()
  }

  get error(): ServerApiError {
    return new ServerApiError('ERR_SERVER_CALL', 'the server has fallen silent')
  }

  heard(): void {
    this.#timer?.cancel()
    this.#timer = this.#clock.setTimer(maxSilenceMs, () => {
      this.isBroken = true
      this.#end()
    })
  }

  stop(): void {
    this.#timer?.cancel()
  }
}

/** What the agent says, in order; never more than one step per message that came. */
class StepQueue implements AsyncIterable<PushStep> {
  readonly #steps: PushStep[] = []
  #hasEnded = false
  #wake: () => void = () => {}

  push(step: PushStep): void {
    this.#steps.push(step)
    this.#wake()
  }

  end(): void {
    this.#hasEnded = true
    this.#wake()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<PushStep, void, undefined> {
    for (;;) {
      const step = this.#steps.shift()
      if (step) yield step
      else if (this.#hasEnded) return
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
    }
  }
}
