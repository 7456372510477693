import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import {
  type ClientOf,
  createClient,
  type GrpcChannel,
  openUnixChannel,
} from '@mini-spire/runtime/grpc/client'
import { AgentService } from '@mini-spire/runtime/proto/spire/api/server/agent/v1/agent'
import { EntryService } from '@mini-spire/runtime/proto/spire/api/server/entry/v1/entry'
import { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import { TestCa } from '@mini-spire/sdk/testing'
import { WorkloadApiClient } from '@mini-spire/sdk/workload-api'
import { attestAt, entryOf } from '../integration/server-scene.ts'
import type { ServedWorkload } from '../kit/served-workload.ts'

const entriesEach = 10
const fetchesEach = 8
const streamsEach = 4
const strangersEach = 4
/** Tokens for more audiences than these are not asked for: the agent keeps one each until it expires. */
const audiences = 20

/** What goes on at a server and its agent all the time, in rounds that leave nothing behind. */
export class MixedLoad implements Disposable {
  readonly #served: ServedWorkload
  readonly #channel: GrpcChannel
  readonly #agents: ClientOf<typeof AgentService>
  readonly #entries: ClientOf<typeof EntryService>
  readonly #foreign = TestCa.create('example.org').issueX509Svid('/spire/agent/foreign')
  #rounds = 0
  /** What was done, in calls, streams and connections. */
  operations = 0

  constructor(served: ServedWorkload) {
    this.#served = served
    this.#channel = openUnixChannel(served.server.socket)
    this.#agents = createClient(AgentService, this.#channel)
    this.#entries = createClient(EntryService, this.#channel)
  }

  /** @throws when anything is refused that should not be, or is not that should */
  async round(): Promise<void> {
    this.#rounds++
    await Promise.all([this.#comeAndGo(), this.#workload(), this.#ban(), this.#strangers()])
  }

  [Symbol.dispose](): void {
    this.#channel.close()
  }

  /** Entries of the workload that are made, pushed to the agent, and deleted. */
  async #comeAndGo(): Promise<void> {
    const { parentId } = this.#served
    const selectors = [{ type: 'unix', value: `uid:${process.getuid?.() ?? 0}` }]
    const entries = Array.from({ length: entriesEach }, (_, n) =>
      entryOf(parentId, `/passing/${this.#rounds}/${n}`, { selectors }),
    )
    const made = await this.#entries.batchCreateEntry({ entries, outputMask: undefined })
    const ids = made.results.map(({ entry }) => entry?.id ?? '')
    const gone = await this.#entries.batchDeleteEntry({ ids })
    if (gone.results.some(({ status }) => status?.code !== 0)) throw new Error('an entry stayed')
    this.operations += 2 * entriesEach
  }

  /** A workload that connects, fetches and validates, watches for a while, and leaves. */
  async #workload(): Promise<void> {
    using client = new WorkloadApiClient({ address: this.#served.agent.address })
    const subject = SpiffeId.parse(this.#served.id)
    for (let n = 0; n < fetchesEach; n++) {
      await client.fetchX509Svid()
      const audience = `spiffe://example.org/audience/${(this.#rounds * fetchesEach + n) % audiences}`
      const { token } = await client.fetchJwtSvid({ audience: [audience], subject })
      await client.validateJwtSvid(token, audience)
    }
    for (let n = 0; n < streamsEach; n++) for await (const _ of client.watchX509Context()) break
    this.operations += 3 * fetchesEach + streamsEach
  }

  /** A node that attests, is banned, and forgotten. */
  async #ban(): Promise<void> {
    const { port } = this.#served.server
    const { value } = await this.#agents.createJoinToken({ ttl: 60, token: '', agentId: undefined })
    const { id } = await attestAt(port, value)
    const agent = { trustDomain: 'example.org', path: id.replace('spiffe://example.org', '') }
    await this.#agents.banAgent({ id: agent })
    await this.#agents.deleteAgent({ id: agent })
    this.operations += 4
  }

  /** A token that is none, a certificate of somebody else, and what is no TLS, from addresses that come again. */
  async #strangers(): Promise<void> {
    const { port } = this.#served.server
    const wrong = attestAt(port, `wrong-${this.#rounds}`).then(
      () => Promise.reject(new Error('a wrong token was taken')),
      () => {},
    )
    const others = Array.from({ length: strangersEach }, async (_, n) => {
      const localAddress = `127.0.${this.#rounds % 8}.${n + 2}`
      const socket = connectTcp({ host: '127.0.0.1', port, localAddress })
      socket.on('error', () => {})
      if (n % 2 === 0) socket.end('GET / HTTP/1.1\r\n\r\n')
      const whole = n % 2 === 0 ? socket : this.#showForeign(socket)
      await once(whole.resume(), 'close')
    })
    await Promise.all([wrong, ...others])
    this.operations += 1 + strangersEach
  }

  #showForeign(socket: Socket): Socket {
    const secured = connectTls({
      socket,
      key: this.#foreign.marshalKeyPem(),
      cert: this.#foreign.marshalChainPem(),
      ca: [],
      rejectUnauthorized: false,
      ALPNProtocols: ['h2'],
    })
    return secured.on('error', () => {})
  }
}
