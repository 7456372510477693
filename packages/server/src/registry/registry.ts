import type { Clock } from '@mini-spire/runtime/clock'
import type { CaJournal } from '../model/authority.ts'
import type { JoinToken } from '../model/join-token.ts'
import type { UsedToken } from '../model/used-token.ts'
import type { AppliedChange } from '../store/store.ts'
import { BundleRegistry } from './bundles.ts'
import { EntryRegistry } from './entries.ts'
import { NodeRegistry } from './nodes.ts'
import { RecordRegistry } from './records.ts'
import { RelationshipRegistry } from './relationships.ts'

/** Options of {@link Registry}. */
export interface RegistryOptions {
  /** Says which nodes' certificates have expired. */
  readonly clock: Clock
}

/**
 * Everything the server knows, in memory and indexed: requests are answered from here, never from the store.
 *
 * It is fed by the store alone. After a commit has resolved, what it wrote is visible; between two commits nothing changes,
 * so several questions in a row without an `await` see one state. The records handed out never change; a change puts another
 * record in their place.
 *
 * @example
 * const registry = new Registry({ clock })
 * await store.open((changes) => registry.apply(changes))
 */
export class Registry {
  readonly nodes: NodeRegistry = new NodeRegistry()
  readonly entries: EntryRegistry
  /** By trust domain name. */
  readonly bundles: BundleRegistry = new BundleRegistry()
  /** By trust domain name. */
  readonly relationships: RelationshipRegistry = new RelationshipRegistry()
  /** By hash of the token. */
  readonly joinTokens: RecordRegistry<JoinToken> = new RecordRegistry()
  /** Tokens that were exchanged, by their hash. */
  readonly usedTokens: RecordRegistry<UsedToken> = new RecordRegistry()
  /** By journal ID. */
  readonly journals: RecordRegistry<CaJournal> = new RecordRegistry()

  constructor(options: RegistryOptions) {
    this.entries = new EntryRegistry(this.nodes, options.clock)
  }

  /** Applies what the store has replayed or committed, in its order. */
  apply(changes: readonly AppliedChange[]): void {
    for (const change of changes) this.#apply(change)
  }

  #apply(change: AppliedChange): void {
    if (change.kind === 'entry') {
      this.entries.apply(change)
      return
    }
    const { key, createdRevision } = change
    const { epoch } = change.position
    switch (change.kind) {
      case 'node':
        this.nodes.apply(key, change.value, createdRevision, epoch)
        this.entries.nodeChanged(key)
        break
      case 'bundle':
        this.bundles.apply(key, change.value, createdRevision, epoch)
        break
      case 'join-token':
        this.joinTokens.apply(key, change.value)
        break
      case 'ca-journal':
        this.journals.apply(key, change.value)
        break
      case 'federation-relationship':
        this.relationships.apply(key, change.value, createdRevision, epoch)
        break
      case 'used-token':
        this.usedTokens.apply(key, change.value)
        break
      default:
        change satisfies never
    }
  }
}
