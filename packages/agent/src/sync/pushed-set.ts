import { SetDigest } from '@mini-spire/runtime/set-digest'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import type { AgentEntry } from '../model/agent-entry.ts'
import type { TrustBundle } from '../model/trust-bundle.ts'
import type { PushedEntry, PushMessage, SetState } from '../server-api/server-api.ts'
import { ServerApiError } from '../server-api/server-api-error.ts'
import type { PulledState } from './pull-entries.ts'

/**
 * What became of a message: the change has more, it is complete, or it is complete and what is held now is not what the server
 * says it should be.
 */
export type Taken = 'more' | 'complete' | 'different'

/** The authorized set as it was pushed, with the proof that nothing of it is missing. */
export class PushedSet {
  readonly #trustDomain: TrustDomain
  #entries = new Map<string, PushedEntry>()
  #digest = new SetDigest()
  #position: { readonly epoch: string; readonly revision: number } | undefined
  #bundles: readonly TrustBundle[] = []
  #bundlesDigest: Uint8Array = new Uint8Array()
  #staged: PushMessage[] = []

  constructor(trustDomain: TrustDomain) {
    this.#trustDomain = trustDomain
  }

  /** What is held, as the agent tells the server; undefined: nothing. */
  get held(): SetState | undefined {
    if (!this.#position) return undefined
    const { epoch, revision } = this.#position
    return { epoch, revision, count: this.#digest.count, digest: this.#digest.digest(epoch) }
  }

  /** Of the bundles that were pushed last; empty: none, or others have come another way since. */
  get bundlesDigest(): Uint8Array {
    return this.#bundlesDigest
  }

  /** Everything as the cache takes it; undefined while there are no bundles. Entries that did not change are the same objects. */
  get state(): PulledState | undefined {
    const isOwn = (bundle: TrustBundle): boolean => bundle.trustDomain.equals(this.#trustDomain)
    const ownBundle = this.#bundles.find(isOwn)
    if (!ownBundle) return undefined
    const entries = new Map<string, AgentEntry>()
    for (const [id, { entry }] of this.#entries) if (entry) entries.set(id, entry)
    return {
      entries,
      ownBundle,
      federatedBundles: this.#bundles.filter((bundle) => !isOwn(bundle)),
    }
  }

  /** Begins with what was asked for. When it is what was pushed before, the place in the log stays known. */
  adopt({ entries, ownBundle, federatedBundles }: PulledState): void {
    this.#staged = []
    this.#bundles = [ownBundle, ...federatedBundles]
    this.#bundlesDigest = new Uint8Array()
    const isSame =
      this.#entries.size === entries.size &&
      [...entries].every(([id, entry]) => this.#entries.get(id)?.entry === entry)
    if (isSame && this.#position) return
    this.#replace(Array.from(entries.values(), (entry) => ({ ...revisionOf(entry), entry })))
    this.#position = { epoch: '', revision: 0 }
  }

  /** Takes in a message. Nothing of a change counts before its last message is there. */
  take(message: PushMessage): Taken {
    this.#staged.push(message)
    if (message.more) return 'more'
    const messages = this.#staged
    this.#staged = []
    const snapshot = messages.flatMap(({ content }) =>
      content.kind === 'snapshot' ? [content] : [],
    )
    if (snapshot.length > 0) this.#replace(snapshot.flatMap(({ entries }) => entries))
    for (const { content } of messages) {
      if (content.kind === 'delta') {
        for (const id of content.removedIds) this.#remove(id)
        for (const entry of content.entries) this.#put(entry)
      } else if (content.kind === 'bundles') this.#takeBundles(content)
    }
    const { epoch, revision, count, digest } = message.state
    this.#position = { epoch, revision }
    const isProven =
      count === this.#digest.count && Buffer.compare(digest, this.#digest.digest(epoch)) === 0
    return isProven ? 'complete' : 'different'
  }

  #takeBundles(content: Extract<PushMessage['content'], { kind: 'bundles' }>): void {
    if (!content.bundles.some(({ trustDomain }) => trustDomain.equals(this.#trustDomain)))
      throw new ServerApiError('ERR_SERVER_ANSWER', 'the own bundle is not among the bundles')
    this.#bundles = content.bundles
    this.#bundlesDigest = content.digest
  }

  #replace(entries: readonly PushedEntry[]): void {
    const before = this.#entries
    this.#entries = new Map()
    this.#digest = new SetDigest()
    for (const entry of entries) {
      const known = before.get(entry.id)
      this.#put(known && isSame(known, entry) ? known : entry)
    }
  }

  #put(entry: PushedEntry): void {
    this.#remove(entry.id)
    this.#entries.set(entry.id, entry)
    this.#digest.add(entry)
  }

  #remove(id: string): void {
    const known = this.#entries.get(id)
    if (!known) return
    this.#entries.delete(id)
    this.#digest.remove(known)
  }
}

function revisionOf({
  id,
  revisionNumber,
  createdAtSeconds,
}: AgentEntry): Omit<PushedEntry, 'entry'> {
  return { id, revisionNumber, createdAtSeconds }
}

function isSame(a: PushedEntry, b: PushedEntry): boolean {
  return a.revisionNumber === b.revisionNumber && a.createdAtSeconds === b.createdAtSeconds
}
