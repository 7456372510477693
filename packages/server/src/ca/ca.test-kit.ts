import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import type { KeyManager } from '@mini-spire/runtime/key-manager/key-manager'
import { MemoryKeyManager } from '@mini-spire/runtime/key-manager/memory/memory-key-manager'
import type { LogFields, Logger } from '@mini-spire/runtime/log/logger'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { OwnBundle } from '../bundle/own-bundle.ts'
import { Registry } from '../registry/registry.ts'
import { MemoryStore } from '../store/memory/memory-store.ts'
import type { Store, Transaction } from '../store/store.ts'
import { AuthorityManager, type AuthorityManagerOptions } from './authority-manager.ts'

/** The server's durable state in a test: what several "restarts" share. */
export class TestState {
  readonly clock: FakeClock = new FakeClock()
  readonly trustDomain: TrustDomain = TrustDomain.parse('example.org')
  readonly registry: Registry = new Registry({ clock: this.clock })
  readonly log: RecordingLog = new RecordingLog()
  keyManager: KeyManager = new MemoryKeyManager()
  /** Called before each commit; what it throws the commit fails with. */
  beforeCommit: (transactions: readonly Transaction[]) => void | Promise<void> = () => {}
  /** Called when a commit is durable, before its caller hears of it; what it throws the caller hears instead. */
  afterCommit: (transactions: readonly Transaction[]) => void | Promise<void> = () => {}
  readonly #inner: Store = MemoryStore.create({ clock: this.clock })
  readonly #opened: Promise<void> = this.#inner.open((changes) => this.registry.apply(changes))
  readonly store: Pick<Store, 'commit'> = {
    commit: async (transactions) => {
      await this.#opened
      await this.beforeCommit(transactions)
      const refusals = await this.#inner.commit(transactions)
      await this.afterCommit(transactions)
      return refusals
    },
  }

  bundle(): OwnBundle {
    const { trustDomain, store, registry } = this
    return new OwnBundle({ trustDomain, store, bundles: registry.bundles })
  }

  /** A server that starts on this state: nothing of an earlier one is left but what is durable. */
  manager(options: Partial<AuthorityManagerOptions> = {}): AuthorityManager {
    return new AuthorityManager({
      trustDomain: this.trustDomain,
      keyManager: this.keyManager,
      bundle: this.bundle(),
      store: this.store,
      journals: this.registry.journals,
      clock: this.clock,
      log: this.log,
      x509KeyType: 'ec-p256',
      jwtKeyType: 'ec-p256',
      caTtlSeconds: 24 * 3600,
      caSubject: { country: ['US'], organization: ['SPIFFE'] },
      isJwtDisabled: false,
      ...options,
    })
  }
}

/** A logger that keeps its lines. */
export class RecordingLog implements Logger {
  readonly lines: { readonly message: string; readonly fields: LogFields }[] = []
  readonly debugLines: { readonly message: string; readonly fields: LogFields }[] = []

  get messages(): readonly string[] {
    return this.lines.map(({ message }) => message)
  }

  with = (): Logger => this
  isEnabled = (): boolean => true
  log = (_level: unknown, message: string, fields: LogFields = {}): void => {
    this.lines.push({ message, fields })
  }
  error = (message: string, fields?: LogFields): void => this.log('error', message, fields)
  warn = (message: string, fields?: LogFields): void => this.log('warning', message, fields)
  info = (message: string, fields?: LogFields): void => this.log('info', message, fields)
  debug = (message: string, fields: LogFields = {}): void => {
    this.debugLines.push({ message, fields })
  }
  trace = (): void => {}
}
