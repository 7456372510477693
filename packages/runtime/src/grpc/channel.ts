import { type ChannelCredentials, type ChannelOptions, Client, credentials } from '@grpc/grpc-js'

/** A connection to one peer that is opened on first use, opened anew after it broke, and closed once. */
export interface GrpcChannel extends Disposable {
  /** What calls go through; for `createClient`. */
  readonly client: Client
  /** Ends calls in progress with Canceled; later calls fail. */
  close(): void
}

/** Bounds of a channel. */
export interface ChannelLimits {
  /** The largest message taken, in bytes. @default 4194304 for a remote peer, unlimited for a local one */
  readonly maxReceiveBytes?: number
}

/** Opens a channel to a Unix socket. Nothing is connected before the first call. */
export function openUnixChannel(path: string, limits: ChannelLimits = {}): GrpcChannel {
  // An authority that every HTTP/2 server accepts; the default would be the escaped path, which Go's refuses.
  const options = { 'grpc.default_authority': 'localhost' }
  const { maxReceiveBytes = -1 } = limits
  return openChannel(`unix:${path}`, credentials.createInsecure(), {
    ...options,
    'grpc.max_receive_message_length': maxReceiveBytes,
  })
}

/** Opens a channel without TLS to a program on this host. Nothing is connected before the first call. */
export function openLoopbackChannel(
  address: { readonly host: string; readonly port: number },
  limits: ChannelLimits = {},
): GrpcChannel {
  const { maxReceiveBytes = -1 } = limits
  return openChannel(`dns:${address.host}:${address.port}`, credentials.createInsecure(), {
    'grpc.default_authority': 'localhost',
    'grpc.max_receive_message_length': maxReceiveBytes,
  })
}

/** Opens a channel with any credentials; the shared settings of all our channels are here. */
export function openChannel(
  target: string,
  channelCredentials: ChannelCredentials,
  options: ChannelOptions,
): GrpcChannel {
  const client = new Client(target, channelCredentials, {
    'grpc.enable_channelz': 0,
    'grpc.service_config_disable_resolution': 1,
    'grpc.enable_retries': 0,
    // A proxy has no place between an agent and its server.
    'grpc.enable_http_proxy': 0,
    'grpc.use_local_subchannel_pool': 1,
    'grpc.max_send_message_length': -1,
    ...options,
  })
  const close = (): void => client.close()
  return { client, close, [Symbol.dispose]: close }
}
