import { constants, type KeyObject, X509Certificate } from 'node:crypto'
import { isIP, type Socket } from 'node:net'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { messageOf } from '@mini-spire/sdk/errors'
import { SecuredChannelCredentials } from '@mini-spire/sdk/internal/secured-channel'
import { pqKemSettings } from '../pq-kem.ts'
import { type ChannelLimits, type GrpcChannel, openChannel } from './channel.ts'
import { readPeerChain } from './tls-peer.ts'

/** An identity as a TLS client presents it: DER certificates, leaf first. */
export interface ClientSvid {
  readonly key: KeyObject
  readonly chain: readonly Uint8Array[]
}

/** Where an SVID channel leads and who must be there. */
export interface SvidChannelOptions extends ChannelLimits {
  readonly address: string
  readonly port: number
  /** Sent as SNI. @default the address, when it is a name */
  readonly serverName?: string
  /** Asked for every connection; undefined connects without a certificate. */
  readonly svid: () => ClientSvid | undefined
  /** Speaks to no server without a post-quantum key exchange. @default false */
  readonly requiresPqKem?: boolean
  /** Judges the server's chain (DER, leaf first) of every connection; throws to refuse it, and calls fail with Unavailable and its text. */
  readonly verifyServer: (chain: readonly Uint8Array[]) => void
}

/**
 * Opens a channel over mutual TLS where SPIFFE decides who is who. Identity and trust are asked for at each connection,
 * so a rotation needs no new channel; a connection that exists keeps what it has.
 */
export function openSvidChannel(options: SvidChannelOptions): GrpcChannel {
  const { address, port, maxReceiveBytes = 4 * 1024 * 1024 } = options
  const host = isIP(address) === 6 ? `[${address}]` : address
  const scheme = isIP(address) === 0 ? 'dns' : `ipv${isIP(address)}`
  const secured = new SecuredChannelCredentials((socket) => secure(socket, options))
  return openChannel(`${scheme}:${host}:${port}`, secured, {
    'grpc.max_receive_message_length': maxReceiveBytes,
    'grpc.default_authority': options.serverName ?? `${host}:${port}`,
  })
}

/** Does the handshake, and judges the server. */
async function secure(socket: Socket, options: SvidChannelOptions): Promise<TLSSocket> {
  const { address, serverName, verifyServer, requiresPqKem } = options
  const name = serverName ?? (isIP(address) === 0 ? address : undefined)
  const secured = connect({
    socket,
    ...tlsSettings,
    ...(requiresPqKem && pqKemSettings),
    ...clientIdentity(options.svid()),
    ...(name === undefined ? {} : { servername: name }),
  })
  await new Promise<void>((resolve, reject) => {
    const onClose = (): void => reject(new Error('connection closed during the TLS handshake'))
    secured.once('error', reject)
    secured.once('close', onClose)
    secured.once('secureConnect', () => {
      secured.off('error', reject)
      secured.off('close', onClose)
      resolve()
    })
  })
  secured.on('error', () => {})
  try {
    if (secured.alpnProtocol !== 'h2') throw new Error('the server does not speak HTTP/2')
    verifyServer(readPeerChain(secured).map(({ raw }) => new Uint8Array(raw)))
    return secured
  } catch (error) {
    secured.destroy()
    throw new Error(`authentication handshake failed: ${messageOf(error)}`, { cause: error })
  }
}

/** Node's own check is off because `verifyServer` does it; the empty list keeps the public authorities out. */
const tlsSettings: ConnectionOptions = {
  rejectUnauthorized: false,
  ca: [],
  ALPNProtocols: ['h2'],
  minVersion: 'TLSv1.2',
  secureOptions: constants.SSL_OP_NO_TICKET,
}

function clientIdentity(svid: ClientSvid | undefined): { key?: string; cert?: string } {
  if (!svid) return {}
  const key = svid.key.export({ type: 'pkcs8', format: 'pem' }).toString()
  return { key, cert: svid.chain.map((der) => new X509Certificate(der).toString()).join('') }
}
