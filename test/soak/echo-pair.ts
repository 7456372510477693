import { once } from 'node:events'
import { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import { authorizeId, connectTls, SvidTlsServer, type TlsConnection } from '@mini-spire/sdk/tls'
import { X509Source } from '@mini-spire/sdk/workload-api'
import type { X509Svid } from '@mini-spire/sdk/x509-svid'

/** Who echoes and who calls, and where both get their identities. */
export interface EchoPairOptions {
  readonly address: string
  readonly serverId: string
  readonly clientId: string
}

const host = '127.0.0.1'

/** Two workloads that talk over mutual TLS, each with a source of its own, as programs built on the SDK do. */
export class EchoPair implements AsyncDisposable {
  /** Failures the server saw, whether or not a client noticed. */
  readonly refused: unknown[] = []
  readonly #serverId: SpiffeId
  readonly #sources: { readonly server: X509Source; readonly client: X509Source }
  readonly #server: SvidTlsServer
  #port = 0
  #kept: TlsConnection | undefined
  #calling: Promise<void> = Promise.resolve()

  private constructor(
    options: EchoPairOptions,
    sources: { readonly server: X509Source; readonly client: X509Source },
  ) {
    this.#sources = sources
    this.#serverId = SpiffeId.parse(options.serverId)
    this.#server = new SvidTlsServer({
      svids: sources.server,
      bundles: sources.server,
      authorize: authorizeId(SpiffeId.parse(options.clientId)),
      onConnection: (socket) => socket.pipe(socket),
      onRefused: (error) => this.refused.push(error),
    })
  }

  /** Gets both identities, listens, and opens the connection that is kept. */
  static async start(options: EchoPairOptions): Promise<EchoPair> {
    const [server, client] = await Promise.all(
      [options.serverId, options.clientId].map((id) =>
        X509Source.create({ address: options.address, pickSvid: (svids) => pick(svids, id) }),
      ),
    )
    if (!server || !client) throw new Error('a source is missing')
    const pair = new EchoPair(options, { server, client })
    pair.#port = (await pair.#server.listen({ host, port: 0 })).port
    pair.#kept = await pair.#connect()
    return pair
  }

  /** Connects, has a line echoed, and returns the chain that the server showed. */
  async callAnew(): Promise<readonly Uint8Array[]> {
    const connection = await this.#connect()
    try {
      await echo(connection)
      return connection.peer.chain
    } finally {
      connection.socket.destroy()
    }
  }

  /** Has a line echoed over the connection that has been open since the start. */
  async callKept(): Promise<void> {
    if (!this.#kept) throw new Error('no connection is kept')
    this.#calling = echo(this.#kept)
    await this.#calling
  }

  /**
   * Keeps a new connection in place of the old, when neither end shows what an authority has signed: as soon as that is
   * revoked, the old one would be cut.
   *
   * @param authorityKeyId the authority's key identifier, lower-case hex
   */
  async leave(authorityKeyId: string): Promise<void> {
    for (const source of Object.values(this.#sources)) {
      const isBelow = (): boolean =>
        source.getX509Svid().chain.some(({ authorityKeyId: id = [] }) => hex(id) === authorityKeyId)
      while (isBelow()) {
        await new Promise<void>((resolve) => {
          const stop = source.onUpdate(() => {
            stop()
            resolve()
          })
        })
      }
    }
    const former = this.#kept
    this.#kept = await this.#connect()
    // What is under way on the old one ends, well or not; whoever called hears of it.
    await this.#calling.catch(() => {})
    former?.socket.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#kept?.socket.destroy()
    await this.#server.close()
    this.#sources.server.close()
    this.#sources.client.close()
  }

  async #connect(): Promise<TlsConnection> {
    const { client } = this.#sources
    const authorize = authorizeId(this.#serverId)
    const options = { host, port: this.#port, svids: client, bundles: client, authorize }
    const connection = await connectTls(options)
    connection.socket.on('error', (error) => this.refused.push(error))
    return connection
  }
}

function pick(svids: readonly X509Svid[], id: string): X509Svid {
  const found = svids.find(({ spiffeId }) => spiffeId.toString() === id)
  if (!found) throw new Error(`there is no SVID for ${id}`)
  return found
}

async function echo({ socket }: TlsConnection): Promise<void> {
  const line = `${process.hrtime.bigint()}\n`
  const signal = AbortSignal.timeout(10_000)
  socket.write(line)
  const [answer] = (await once(socket, 'data', { signal })) as [Buffer]
  if (answer.toString() !== line) throw new Error(`sent ${line}, got ${answer}`)
}

function hex(bytes: ArrayLike<number>): string {
  return Buffer.from(bytes).toString('hex')
}
