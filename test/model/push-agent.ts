import type { AgentEntry } from '@mini-spire/agent/model/agent-entry'
import { bundleFromProto, entryFromProto } from '@mini-spire/agent/server-api/convert'
import { pushMessages, pushRequests } from '@mini-spire/agent/server-api/push-convert'
import type { PushLink, PushStep } from '@mini-spire/agent/server-api/server-api'
import type { PulledState } from '@mini-spire/agent/sync/pull-entries'
import { PushStream } from '@mini-spire/agent/sync/push-stream'
import { PushedSet } from '@mini-spire/agent/sync/pushed-set'
import { sleep } from '@mini-spire/runtime/clock'
import { GrpcError } from '@mini-spire/runtime/grpc/client'
import { type Logger, silentLogger } from '@mini-spire/runtime/log/logger'
import {
  SubscribeRequest,
  SubscribeResponse,
} from '@mini-spire/runtime/proto/minispire/api/server/push/v1/push'
import { GrpcStatus } from '@mini-spire/sdk/grpc-status'
import { bundleToProto } from '@mini-spire/server/api/bundle/convert'
import { entryToProto } from '@mini-spire/server/api/entry/convert'
import { agentSteps } from '@mini-spire/server/api/push/convert'
import type { PushScene } from '@mini-spire/server/push/push.test-kit'
import { Subscription } from '@mini-spire/server/push/subscription'
import { testDomain } from '@mini-spire/server/store/store.test-kit'

const pollMs = 5_000

/** The agent's own code against the server's own code, with encoded messages and no sockets between them. */
export class PushAgent {
  readonly id: string
  /** What it serves from, as its cache would have it. */
  entries: ReadonlyMap<string, AgentEntry> = new Map()
  bundles: readonly string[] = []
  /** What it found to differ from what the server said: deltas never do. */
  readonly warnings: string[] = []
  /** While it is there, what comes is not taken over. */
  gate: { readonly opened: Promise<void>; open(): void } | undefined
  readonly #stopping = new AbortController()
  readonly #set = new PushedSet(testDomain)
  readonly #stream: PushStream
  readonly #onUse: (agent: PushAgent) => void
  #server: PushScene
  #cut = new AbortController()
  #running: Promise<void> = Promise.resolve()

  constructor(
    id: string,
    server: PushScene,
    onUse: (agent: PushAgent) => void,
    chance: () => number,
  ) {
    this.id = id
    this.#server = server
    this.#onUse = onUse
    this.#stream = new PushStream({
      server: { offersPush: true, push: (use) => use(this.#link()) },
      set: this.#set,
      apply: (state) => this.#use(state),
      onQuiet: () => {},
      clock: server.clock,
      log: { ...silentLogger, warn: (text) => void this.warnings.push(text) } as Logger,
      chance,
    })
  }

  start(): void {
    this.#running = this.#run()
  }

  /** Loses its connection. */
  cut(): void {
    this.#cut.abort()
    this.#cut = new AbortController()
  }

  /** Finds another server at the same address. */
  move(server: PushScene): void {
    this.#server = server
    this.cut()
  }

  pause(): void {
    if (this.gate) return
    let open: () => void = () => {}
    const opened = new Promise<void>((resolve) => {
      open = resolve
    })
    this.gate = { opened, open }
  }

  resume(): void {
    this.gate?.open()
    this.gate = undefined
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    this.resume()
    this.cut()
    await this.#running
  }

  /** As the synchroniser does: follows, and asks when it cannot. */
  async #run(): Promise<void> {
    const { signal } = this.#stopping
    while (!signal.aborted) {
      await this.#stream.follow(signal)
      if (signal.aborted) return
      const pulled = this.#pull()
      this.#set.adopt(pulled)
      await this.#use(pulled)
      await sleep(this.#server.clock, pollMs, signal)
    }
  }

  async #use({ entries, ownBundle, federatedBundles }: PulledState): Promise<void> {
    await this.gate?.opened
    this.entries = entries
    this.bundles = [ownBundle, ...federatedBundles]
      .map(({ trustDomain, sequenceNumber }) => `${trustDomain.name} ${sequenceNumber}`)
      .sort()
    this.#onUse(this)
  }

  #pull(): PulledState {
    const { entries, bundles } = this.#server.registry
    const wire = entries.authorizedFor(this.id).entries()
    const names = new Set(
      wire.flatMap(({ federatesWith }) => federatesWith.map(({ name }) => name)),
    )
    const read = (name: string) => {
      const bundle = bundles.find(name)
      return bundle ? [bundleFromProto(bundleToProto(bundle, undefined))] : []
    }
    const [ownBundle] = read(testDomain.name)
    if (!ownBundle) throw new Error('the server has no bundle')
    return {
      entries: new Map(wire.map((entry) => [entry.id, entryFromProto(entryToProto(entry))])),
      ownBundle,
      federatedBundles: [...names].flatMap(read),
    }
  }

  #link(): PushLink {
    const retired = new AbortController().signal
    return {
      retired,
      messages: (steps, signal) => pushMessages(this.#connect(steps, signal), silentLogger),
    }
  }

  async *#connect(
    steps: AsyncIterable<PushStep>,
    signal: AbortSignal,
  ): AsyncGenerator<SubscribeResponse, void> {
    const gone = new AbortController()
    const { hub, clock } = this.#server
    const subscription = new Subscription({
      hub,
      agentId: this.id,
      clock,
      chance: () => 0.5,
      notAfterMs: Number.POSITIVE_INFINITY,
      signal: gone.signal,
    })
    const answers = subscription.messages(agentSteps(received(pushRequests(steps))))
    const lost = new Promise<never>((_, reject) => {
      const fail = (code: number) => (): void =>
        reject(new GrpcError({ statusCode: code, statusMessage: 'gone' }))
      signal.addEventListener('abort', fail(GrpcStatus.Canceled), { once: true })
      this.#cut.signal.addEventListener('abort', fail(GrpcStatus.Unavailable), { once: true })
    })
    lost.catch(() => {})
    try {
      for (;;) {
        const next = await Promise.race([answers.next(), lost])
        if (next.done) return
        yield SubscribeResponse.decode(next.value)
      }
    } finally {
      gone.abort()
    }
  }
}

async function* received(
  requests: AsyncIterable<SubscribeRequest>,
): AsyncGenerator<SubscribeRequest, void> {
  for await (const request of requests)
    yield SubscribeRequest.decode(SubscribeRequest.encode(request).finish())
}
