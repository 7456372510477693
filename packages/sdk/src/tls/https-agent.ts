import { Agent, type AgentOptions } from 'node:https'
import type { Duplex } from 'node:stream'
import type { X509SvidSource } from '../x509-svid/index.ts'
import { connectTls } from './connect.ts'
import type { PeerCheck } from './peer.ts'

/** Options of {@link SvidHttpsAgent}. */
export interface SvidHttpsAgentOptions extends PeerCheck {
  /** Our identity. @default none: the server sees an anonymous client */
  readonly svids?: X509SvidSource
}

/**
 * Lets `https.request` talk to servers with X509-SVIDs: each connection is verified as {@link connectTls} does, with the SVID
 * and bundles of the moment. Connections and sessions are not kept, so that trust that is withdrawn is gone with the next request.
 *
 * @example
 * const agent = new SvidHttpsAgent({ svids: source, bundles: source, authorize: authorizeId(server) })
 * https.get('https://10.0.0.7:8443/', { agent }, onResponse)
 */
export class SvidHttpsAgent extends Agent {
  readonly #options: SvidHttpsAgentOptions

  constructor(options: SvidHttpsAgentOptions) {
    super({ keepAlive: false, maxCachedSessions: 0 })
    this.#options = options
  }

  /** Node calls this for each connection. */
  override createConnection(
    options: AgentOptions & { readonly host?: string; readonly port?: number | string },
    onConnected?: (error: Error | null, socket: Duplex) => void,
  ): Duplex | undefined {
    const host = options.host ?? 'localhost'
    connectTls({ ...this.#options, host, port: Number(options.port ?? 443) }).then(
      ({ socket }) => onConnected?.(null, socket),
      // Node looks at the error alone.
      (error: Error) => onConnected?.(error, undefined as unknown as Duplex),
    )
    return undefined
  }
}
