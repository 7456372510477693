import { constants } from 'node:crypto'
import { isIP } from 'node:net'
import type { Duplex } from 'node:stream'
import {
  type ConnectionOptions,
  connect,
  createSecureContext,
  type SecureContext,
  type TLSSocket,
} from 'node:tls'
import { messageOf } from '../errors.ts'
import { opened } from './dial.ts'
import { HttpError } from './http-error.ts'
import type { HttpRequest } from './http-message.ts'
import { readServerChain } from './server-chain.ts'
import { type Environment, loadSystemRoots } from './system-roots.ts'

type TrustOptions = Pick<HttpRequest, 'roots' | 'verifyServer' | 'clientCertificate'>

/** Makes connections secure: by the machine's roots, those of the request, or a judge that the request brings. */
export class ServerTrust {
  readonly #environment: Environment
  #machine: Promise<SecureContext> | undefined

  constructor(environment: Environment) {
    this.#environment = environment
  }

  /**
   * Speaks TLS over a connection and resolves when the server has been accepted.
   *
   * @throws {HttpError} `ERR_HTTP_SERVER_REFUSED` when the request's own judge refuses it
   */
  async secure(
    socket: Duplex,
    host: string,
    options: TrustOptions,
    signal: AbortSignal,
  ): Promise<TLSSocket> {
    const { verifyServer } = options
    const secured = connect({
      socket,
      host,
      ...(isIP(host) === 0 && { servername: host }),
      secureContext: await this.#contextOf(options),
      ALPNProtocols: ['http/1.1'],
      ...(verifyServer && judgedByCaller),
    })
    await opened(secured, 'secureConnect', signal)
    if (verifyServer) judge(secured, host, verifyServer)
    return secured
  }

  async #contextOf(options: TrustOptions): Promise<SecureContext> {
    const { roots, verifyServer, clientCertificate: client } = options
    if (!roots && !verifyServer && !client) {
      // Reading some 140 certificates takes longer than the handshake.
      this.#machine ??= this.#machineContext()
      return await this.#machine
    }
    const ca = verifyServer ? [] : (roots ?? (await loadSystemRoots(this.#environment)))
    return createSecureContext({
      ...tlsSettings,
      ca: [...ca],
      ...(client && { cert: client.chain, key: client.key }),
    })
  }

  async #machineContext(): Promise<SecureContext> {
    return createSecureContext({
      ...tlsSettings,
      ca: [...(await loadSystemRoots(this.#environment))],
    })
  }
}

const tlsSettings = { minVersion: 'TLSv1.2', secureOptions: constants.SSL_OP_NO_TICKET } as const

/** Node's own check is off because `verifyServer` takes its place, before anything is sent. */
const judgedByCaller: ConnectionOptions = { rejectUnauthorized: false }

function judge(
  secured: TLSSocket,
  host: string,
  verifyServer: (chain: readonly Uint8Array[]) => void,
): void {
  try {
    const chain = readServerChain(secured)
    if (chain.length === 0) throw new Error('it presented no certificate')
    verifyServer(chain)
  } catch (cause) {
    secured.destroy()
    const message = `the server at ${host} is not the one expected: ${messageOf(cause)}`
    throw new HttpError('ERR_HTTP_SERVER_REFUSED', message, { cause })
  }
}
