import { createServer, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'

/** A form as it came. */
export interface SentForm {
  /** Path and query. */
  readonly url: string
  readonly fields: URLSearchParams
  /** As it was sent. */
  readonly body: string
}

/** Options of {@link FormServer}. */
export interface FormServerOptions {
  readonly answer: (form: SentForm, response: ServerResponse) => Promise<void>
  /** Key and certificate, PEM. @default none: in the clear */
  readonly tls?: { readonly key: string; readonly cert: string }
}

/** A server that reads each request to its end as a form, on a free port of the loopback address. */
export class FormServer implements AsyncDisposable {
  readonly port: number
  readonly #close: () => Promise<void>

  private constructor(port: number, close: () => Promise<void>) {
    this.port = port
    this.#close = close
  }

  static async start({ answer, tls }: FormServerOptions): Promise<FormServer> {
    const server = tls ? createTlsServer(tls) : createServer()
    server.on('request', (request, response) => {
      const pieces: Buffer[] = []
      request.on('data', (piece: Buffer) => pieces.push(piece))
      request.on('end', () => {
        const body = Buffer.concat(pieces).toString()
        void answer({ url: request.url ?? '', fields: new URLSearchParams(body), body }, response)
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return new FormServer((server.address() as AddressInfo).port, async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close()
  }
}
