import { parseJwtSvidInsecure } from '@mini-spire/sdk/jwt-svid'
import { TestCa, type TestJwtSvidOptions } from '@mini-spire/sdk/testing'
import type { JwtSvidSource } from '@mini-spire/sdk/token-exchange'
import { DiscoveryServer } from './discovery-server.ts'
import type { TrustPolicy } from './trust-policy.ts'

/** A workload with JWT-SVIDs, and an issuer that relying parties can look up. */
export class TokenScene implements AsyncDisposable {
  readonly ca: TestCa = TestCa.create('example.org')
  /** What the next tokens say otherwise than good ones would. */
  tokens: TestJwtSvidOptions = {}
  /** Every token that was handed out: none of them may be in an error. */
  readonly handedOut: string[] = []
  readonly discovery: DiscoveryServer
  readonly svids: JwtSvidSource = {
    fetchJwtSvid: async ({ audience }) => {
      const claims = { iss: this.discovery.issuer, ...this.tokens.claims }
      const token = this.ca.signJwtSvid('/web/db', { audience, ...this.tokens, claims })
      this.handedOut.push(token)
      return parseJwtSvidInsecure(token)
    },
  }

  private constructor(discovery: DiscoveryServer) {
    this.discovery = discovery
  }

  static async start(): Promise<TokenScene> {
    let scene: TokenScene | undefined
    const discovery = await DiscoveryServer.start(() => (scene as TokenScene).ca.jwtBundle)
    scene = new TokenScene(discovery)
    return scene
  }

  /** What a cloud pins for this workload. */
  policy(audience: string): TrustPolicy {
    const { issuer } = this.discovery
    return { issuer, audience, subject: 'spiffe://example.org/web/db' }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.discovery[Symbol.asyncDispose]()
  }
}
