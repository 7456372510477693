import http2 from 'node:http2'
import net from 'node:net'
import tls from 'node:tls'

/** A client identity for mTLS, PEM. */
export interface ClientIdentity {
  readonly key: string
  readonly chain: string
}

interface MethodDefinition<Request, Response> {
  readonly path: string
  readonly requestSerialize: (request: Request) => Buffer
  readonly responseDeserialize: (bytes: Buffer) => Response
}

/**
 * The cheapest gRPC client that is still one: HTTP/2 with hand-made frames, so that the load generator costs little beside
 * what it measures. It verifies nothing: it only ever talks to the daemon it started.
 */
export class WireClient {
  readonly #session: http2.ClientHttp2Session

  private constructor(session: http2.ClientHttp2Session) {
    this.#session = session
    session.on('error', () => {})
  }

  static unix(path: string): WireClient {
    const session = http2.connect('http://localhost', { createConnection: () => net.connect(path) })
    return new WireClient(session)
  }

  /** Connects over TLS from a loopback address of its own, so that per-address limits see many clients. */
  static async tls(
    port: number,
    options: { readonly identity?: ClientIdentity; readonly localAddress?: string } = {},
  ): Promise<WireClient> {
    const socket = tls.connect({
      host: '127.0.0.1',
      port,
      ALPNProtocols: ['h2'],
      rejectUnauthorized: false,
      ...(options.localAddress ? { localAddress: options.localAddress } : {}),
      ...(options.identity ? { key: options.identity.key, cert: options.identity.chain } : {}),
    } as tls.ConnectionOptions)
    await new Promise<void>((resolve, reject) =>
      socket.once('secureConnect', resolve).once('error', reject),
    )
    return new WireClient(http2.connect('https://localhost', { createConnection: () => socket }))
  }

  /** One unary call. */
  async unary<Request, Response>(
    method: MethodDefinition<Request, Response>,
    request: Request,
    metadata: Record<string, string> = {},
  ): Promise<Response> {
    const stream = this.open(method.path, metadata)
    stream.end(frame(method.requestSerialize(request)))
    const messages = await collect(stream)
    const first = messages[0]
    if (!first) throw new Error(`${method.path}: no answer`)
    return method.responseDeserialize(first)
  }

  /** Opens a call and leaves its stream to the caller. */
  open(path: string, metadata: Record<string, string> = {}): http2.ClientHttp2Stream {
    return this.#session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...metadata,
    })
  }

  close(): void {
    this.#session.destroy()
  }
}

/** A gRPC frame around a message. */
export function frame(message: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(message.length + 5)
  framed[0] = 0
  framed.writeUInt32BE(message.length, 1)
  framed.set(message, 5)
  return framed
}

/** Reads frames from a stream as they come. */
export async function* frames(stream: http2.ClientHttp2Stream): AsyncGenerator<Buffer> {
  let kept = Buffer.alloc(0)
  let failure: Error | undefined
  const check = (headers: http2.IncomingHttpHeaders): void => {
    const status = headers['grpc-status']
    if (status !== undefined && status !== '0') {
      failure = new Error(
        `gRPC status ${status}: ${decodeURIComponent(String(headers['grpc-message'] ?? ''))}`,
      )
    }
  }
  stream.on('response', check)
  stream.on('trailers', check)
  for await (const chunk of stream) {
    kept = kept.length === 0 ? chunk : Buffer.concat([kept, chunk])
    while (kept.length >= 5 && kept.length >= 5 + kept.readUInt32BE(1)) {
      const length = kept.readUInt32BE(1)
      yield kept.subarray(5, 5 + length)
      kept = kept.subarray(5 + length)
    }
  }
  if (failure) throw failure
}

async function collect(stream: http2.ClientHttp2Stream): Promise<readonly Buffer[]> {
  const messages: Buffer[] = []
  for await (const message of frames(stream)) messages.push(message)
  return messages
}

/** PEM of certificates. */
export function pemChain(chain: readonly Uint8Array[]): string {
  return chain
    .map(
      (der) =>
        `-----BEGIN CERTIFICATE-----\n${Buffer.from(der)
          .toString('base64')
          .replaceAll(/(.{64})/g, '$1\n')}\n-----END CERTIFICATE-----\n`,
    )
    .join('')
}
