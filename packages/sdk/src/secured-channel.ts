import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { type CallCredentials, ChannelCredentials, credentials } from '@grpc/grpc-js'

type SecureConnector = ReturnType<ChannelCredentials['_createSecureConnector']>
type ConnectorParameters = Parameters<ChannelCredentials['_createSecureConnector']>

/**
 * Credentials of a gRPC channel whose connections are secured by somebody who knows SPIFFE's rules, each anew: a rotation needs
 * no new channel. grpc-js calls what is overridden here experimental, which is why its version is pinned.
 */
export class SecuredChannelCredentials extends ChannelCredentials {
  readonly #secure: (socket: Socket) => Promise<TLSSocket>

  /** @param secure does the handshake over a connection; throws to refuse the server, and calls fail with Unavailable and its text */
  constructor(secure: (socket: Socket) => Promise<TLSSocket>) {
    super()
    this.#secure = secure
  }

  override _isSecure(): boolean {
    return true
  }

  override _equals(other: ChannelCredentials): boolean {
    return this === other
  }

  override _createSecureConnector(...parameters: ConnectorParameters): SecureConnector {
    const [, , callCredentials] = parameters
    const inner: CallCredentials = callCredentials ?? credentials.createEmpty()
    return {
      connect: async (socket) => ({ socket: await this.#secure(socket), secure: true }),
      waitForReady: () => Promise.resolve(),
      getCallCredentials: () => inner,
      destroy: () => {},
    }
  }
}
