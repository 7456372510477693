import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { JwtBundle } from '@mini-spire/sdk/bundle'

/**
 * An issuer as relying parties see it: a discovery document and a key set over HTTP, made from a bundle of the moment. The
 * issuer's URL has a path, so that nobody gets away with comparing hosts.
 */
export class DiscoveryServer implements AsyncDisposable {
  /** What `iss` has to be: `http://127.0.0.1:<port>/domain`. */
  readonly issuer: string
  /** How often the keys were fetched. */
  keyFetches = 0
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
    this.issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}/domain`
  }

  static async start(bundle: () => JwtBundle): Promise<DiscoveryServer> {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const made = new DiscoveryServer(server)
    server.on('request', ({ url }, response) => {
      response.setHeader('content-type', 'application/json')
      if (url === '/domain/.well-known/openid-configuration') {
        response.end(JSON.stringify({ issuer: made.issuer, jwks_uri: `${made.issuer}/keys` }))
      } else if (url === '/domain/keys') {
        made.keyFetches++
        response.end(JSON.stringify({ keys: bundle().authorities.map(toJwk) }))
      } else response.writeHead(404).end()
    })
    return made
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

function toJwk({ keyId, publicKey }: JwtBundle['authorities'][number]): object {
  return { ...publicKey.export({ format: 'jwk' }), kid: keyId, use: 'sig' }
}
