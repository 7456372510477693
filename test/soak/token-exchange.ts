import { verifyJwtSvid } from '@mini-spire/sdk/jwt-svid'
import { JwtSource, WorkloadApiClient } from '@mini-spire/sdk/workload-api'

/** A token that was given, and until when it must be accepted. */
interface Held {
  readonly token: string
  readonly expiresAtMs: number
}

const audience = 'spiffe://example.org/audience'

/** Fetches tokens all the time and has each verified, here and by the agent, for as long as it lives. */
export class TokenExchange implements AsyncDisposable {
  /** IDs of the keys that have signed tokens. */
  readonly keyIds: Set<string> = new Set()
  verifications = 0
  readonly #client: WorkloadApiClient
  readonly #source: JwtSource
  readonly #held = new Map<string, Held>()

  private constructor(client: WorkloadApiClient, source: JwtSource) {
    this.#client = client
    this.#source = source
  }

  static async start(address: string): Promise<TokenExchange> {
    const client = new WorkloadApiClient({ address })
    return new TokenExchange(client, await JwtSource.create({ client }))
  }

  /** Fetches a token, one that the agent keeps or a new one, and verifies all that are alive. */
  async round(number: number): Promise<void> {
    const own = `${audience}/${number % 20}`
    const { token, expiresAt } = await this.#source.fetchJwtSvid({ audience: [audience, own] })
    this.#held.set(token, { token, expiresAtMs: expiresAt.getTime() })
    this.keyIds.add(keyIdOf(token))
    await this.#client.validateJwtSvid(token, audience)
    const now = new Date()
    for (const held of this.#held.values()) {
      if (held.expiresAtMs <= now.getTime()) this.#held.delete(held.token)
      else verifyJwtSvid(held.token, { audience, bundles: this.#source, now })
      this.verifications++
    }
  }

  /** Throws away the tokens that a key signed: it is about to be revoked. */
  forget(keyId: string): void {
    for (const token of this.#held.keys()) if (keyIdOf(token) === keyId) this.#held.delete(token)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#source.close()
    this.#client.close()
  }
}

function keyIdOf(token: string): string {
  const [header = ''] = token.split('.')
  return JSON.parse(Buffer.from(header, 'base64url').toString()).kid
}
