import { writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { systemClock } from '@mini-spire/runtime/clock'
import { issue } from '@mini-spire/runtime/http/http.test-kit'
import { TokenMint, type TokenOptions } from '@mini-spire/server/exchange/token-mint.test-kit'
import type { Scene } from './processes.ts'

/**
 * An OpenID Connect issuer on this machine: discovery document and keys over HTTPS, and tokens of every kind, wrong ones too, from its
 * {@link TokenMint}.
 */
export class FakeOidcIssuer {
  readonly mint: TokenMint
  /** The root of its HTTPS certificate, PEM. */
  readonly caFile: string
  readonly #server: Server

  private constructor(mint: TokenMint, caFile: string, server: Server) {
    this.mint = mint
    this.caFile = caFile
    this.#server = server
  }

  /** Starts it for as long as the scene lasts. */
  static async start(scene: Scene): Promise<FakeOidcIssuer> {
    const tls = await issue('localhost')
    const pages = new Map<string, () => string>()
    const server = createServer(tls, (request, response) => {
      const page = pages.get(request.url ?? '')
      if (page) response.setHeader('content-type', 'application/json').end(page())
      else response.writeHead(404).end()
    })
    await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve))
    const mint = new TokenMint(`https://localhost:${(server.address() as AddressInfo).port}`)
    const document = { issuer: mint.url, jwks_uri: `${mint.url}/jwks` }
    pages.set('/.well-known/openid-configuration', () => JSON.stringify(document))
    pages.set('/jwks', () => mint.jwks())
    const caFile = scene.path('issuer-root.pem')
    writeFileSync(caFile, tls.root)
    const made = new FakeOidcIssuer(mint, caFile, server)
    scene.defer(async () => made.stop())
    return made
  }

  /** Goes away: its keys cannot be had any more. */
  stop(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  /** A good token of now, but for what is changed. */
  token(change: object = {}, options: TokenOptions = {}): string {
    return this.mint.token(this.now, change, options)
  }

  /** Unix seconds. */
  get now(): number {
    return Math.trunc(systemClock.nowMs() / 1000)
  }
}
