import type { Clock, Timer } from '@mini-spire/runtime/clock'
import { PushError } from './push-error.ts'
import type { Member, PushHub } from './push-hub.ts'
import type { HeldState, SetGroup } from './set-group.ts'

/** Without news an agent hears this often that it has everything, and takes longer silence for a lost connection. */
export const heartbeatMs = 10_000

/**
 * How long one stream lasts at most. A connection that has grown old is cut a minute after its client was told to go
 * elsewhere; a stream never comes to that, and every new one is authorized anew and compares what the agent holds.
 */
const maxLifeMs = 54_000

/** Lives are shortened by up to this part by chance, so that agents that came together do not stay together. */
const lifeSpread = 0.25

/** What an agent says on its stream. */
export type AgentStep =
  | { readonly kind: 'open'; readonly held: HeldState | undefined }
  | { readonly kind: 'ack'; readonly revision: number; readonly digest: string }

/** Options of {@link Subscription}. */
export interface SubscriptionOptions {
  readonly hub: PushHub
  readonly agentId: string
  readonly clock: Clock
  /** A number in [0, 1). */
  readonly chance: () => number
  /** When the agent's certificate stops to prove anything. */
  readonly notAfterMs: number
  /** Aborts when the agent has gone. */
  readonly signal: AbortSignal
}

interface Sent {
  readonly number: number
  readonly revision: number
  readonly digest: string
}

/** One agent's stream from its opening to its end. */
export class Subscription implements Member {
  readonly agentId: string
  group: SetGroup | undefined
  ackedNumber = -1
  ackedRevision = -1
  readonly #options: SubscriptionOptions
  /** The state that was sent last; undefined: it needs a snapshot. */
  #cursor: number | undefined
  /** What was sent and not yet acknowledged. */
  #unacked: Sent[] = []
  #failure: unknown
  #isOver = false
  #isHeartbeatDue = false
  #highestRevision = -1
  /** Something has happened that was not looked at yet. */
  #isWoken = false
  #wake: (() => void) | undefined
  #heartbeat: Timer | undefined

  constructor(options: SubscriptionOptions) {
    this.#options = options
    this.agentId = options.agentId
  }

  wake(): void {
    this.#isWoken = true
    this.#wake?.()
  }

  end(reason: PushError): void {
    this.#failure ??= reason
    this.#isOver = true
    this.wake()
  }

  /**
   * Everything the agent is to be sent. Ends without error when the stream has lasted long enough or the agent ends its side.
   *
   * @throws {PushError}
   */
  async *messages(steps: AsyncIterable<AgentStep>): AsyncGenerator<Uint8Array, void> {
    const { hub, clock, signal } = this.#options
    const reader = steps[Symbol.asyncIterator]()
    const first = await reader.next()
    if (first.done) return
    if (first.value.kind !== 'open')
      throw new PushError('ERR_PUSH_PROTOCOL', 'the first request has to open the stream')
    if (!hub.openings.take(this.agentId))
      throw new PushError('ERR_PUSH_TOO_OFTEN', 'the agent opens streams too often')
    hub.enter(this)
    const onAbort = (): void => this.#finish()
    signal.addEventListener('abort', onAbort, { once: true })
    const life = clock.setTimer(this.#lifeMs(), onAbort)
    try {
      const opening = this.#open(await hub.join(this), first.value.held)
      void this.#read(reader)
      if (opening) yield opening
      for (;;) {
        yield* this.#due()
        if (this.#isOver) break
        await this.#untilWoken()
      }
      if (this.#failure) throw this.#failure
    } finally {
      this.#heartbeat?.cancel()
      life.cancel()
      signal.removeEventListener('abort', onAbort)
      hub.leave(this)
    }
  }

  #lifeMs(): number {
    const { clock, chance, notAfterMs } = this.#options
    return Math.min(maxLifeMs * (1 - lifeSpread * chance()), notAfterMs - clock.nowMs())
  }

  /** Finds out where the agent stands; returns what it is told before anything else. */
  #open(group: SetGroup, held: HeldState | undefined): Uint8Array | undefined {
    const found = held && group.find(held)
    if (!found) return undefined
    this.#cursor = found.number
    if (!found.hasBundles) {
      this.#sent(group, found.number)
      return group.bundlesMessage()
    }
    if (found.number !== group.number) return undefined
    // What it says it holds is what it should hold: as good as an acknowledgement.
    this.#acknowledge(found.number, group.state.position.revision)
    return group.heartbeat()
  }

  /** What can be sent now: all changes that are kept, then nothing before they are acknowledged. */
  async *#due(): AsyncGenerator<Uint8Array, void> {
    const { hub } = this.#options
    while (!this.#isOver) {
      if (!this.group) {
        this.#cursor = undefined
        this.#unacked = []
        this.ackedNumber = -1
        await hub.join(this)
        continue
      }
      const { group } = this
      if (this.#cursor === undefined) {
        yield* this.#snapshot(group)
      } else if (this.#cursor < group.number && this.#unacked.length === 0) {
        yield* this.#changes(group, this.#cursor)
      } else if (this.#isHeartbeatDue) {
        if (this.#cursor === group.number) yield group.heartbeat()
        this.#isHeartbeatDue = false
      } else return
    }
  }

  async *#snapshot(group: SetGroup): AsyncGenerator<Uint8Array, void> {
    const { hub } = this.#options
    if (!hub.snapshots.take(this.agentId))
      throw new PushError('ERR_PUSH_TOO_OFTEN', 'the agent needs snapshots too often')
    const { number, messages } = group.snapshot()
    this.#sent(group, number)
    this.#cursor = number
    yield* messages
  }

  *#changes(group: SetGroup, from: number): Generator<Uint8Array, void> {
    for (let number = from; number < group.number; number++) {
      const messages = group.next(number)
      if (!messages) {
        // It was too slow: what it missed is not kept any more.
        this.#cursor = undefined
        return
      }
      this.#cursor = number + 1
      this.#sent(group, number + 1)
      yield* messages
      if (this.group !== group) return
    }
  }

  #sent(group: SetGroup, number: number): void {
    const { revision, digest } = group.markOf(number)
    this.#unacked.push({ number, revision, digest })
    this.#highestRevision = Math.max(this.#highestRevision, revision)
  }

  async #read(reader: AsyncIterator<AgentStep>): Promise<void> {
    try {
      for (let next = await reader.next(); !next.done; next = await reader.next())
        this.#receive(next.value)
      this.#finish()
    } catch (error) {
      this.#failure ??= error
      this.#finish()
    }
  }

  #receive(step: AgentStep): void {
    if (step.kind === 'open') throw new PushError('ERR_PUSH_PROTOCOL', 'the stream is open already')
    const at = this.#unacked.findIndex(({ revision }) => revision === step.revision)
    const acked = this.#unacked[at]
    if (!acked) {
      if (step.revision > this.#highestRevision)
        throw new PushError('ERR_PUSH_PROTOCOL', 'the agent acknowledges what it was not sent')
      // It was sent before a snapshot, or in a group that the agent has left: nothing waits for it any more.
      return
    }
    this.#unacked.splice(0, at + 1)
    if (acked.digest === step.digest) this.#acknowledge(acked.number, acked.revision)
    else {
      this.#cursor = undefined
      this.#unacked = []
    }
    this.wake()
  }

  #acknowledge(number: number, revision: number): void {
    this.ackedNumber = number
    this.ackedRevision = revision
    this.#options.hub.progressed()
  }

  #finish(): void {
    this.#isOver = true
    this.wake()
  }

  /** Waits for news, an acknowledgement, the end, or the time for a heartbeat. */
  async #untilWoken(): Promise<void> {
    const { clock } = this.#options
    if (!this.#isWoken) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
        this.#heartbeat = clock.setTimer(heartbeatMs, () => {
          this.#isHeartbeatDue = true
          resolve()
        })
      })
      this.#heartbeat?.cancel()
      this.#wake = undefined
    }
    this.#isWoken = false
  }
}
