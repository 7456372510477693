import type { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import type { WorkloadJwtSvid } from '../model/svid.ts'

/** The key of a token: whom it names and for whom it is, the order of the audience apart. */
export function jwtSvidKey(spiffeId: SpiffeId, audience: readonly string[]): string {
  return JSON.stringify([spiffeId.toString(), ...[...audience].sort()])
}

/** Signed JWT-SVIDs under {@link jwtSvidKey}. The size is hard: the longest unused goes. */
export class JwtSvids {
  readonly #maxSize: number
  readonly #svids = new Map<string, WorkloadJwtSvid>()

  constructor(options: { readonly maxSize: number }) {
    this.#maxSize = options.maxSize
  }

  get size(): number {
    return this.#svids.size
  }

  find(key: string): WorkloadJwtSvid | undefined {
    const svid = this.#svids.get(key)
    if (!svid) return undefined
    this.#svids.delete(key)
    this.#svids.set(key, svid)
    return svid
  }

  set(key: string, svid: WorkloadJwtSvid): void {
    this.#svids.delete(key)
    this.#svids.set(key, svid)
    if (this.#svids.size <= this.#maxSize) return
    const [oldest] = this.#svids.keys()
    if (oldest !== undefined) this.#svids.delete(oldest)
  }

  /** Drops the tokens that these keys signed; returns how many. */
  dropSignedBy(keyIds: ReadonlySet<string>): number {
    let dropped = 0
    for (const [key, svid] of this.#svids) {
      if (!keyIds.has(svid.keyId)) continue
      this.#svids.delete(key)
      dropped++
    }
    return dropped
  }
}
