import { randomUUID } from 'node:crypto'
import { type Logger, silentLogger } from '@mini-spire/runtime/log/logger'
import {
  AuthorityStatus,
  type CaJournal,
  type JwtAuthorityRecord,
  type X509AuthorityRecord,
} from '../model/authority.ts'
import type { Cause, Store } from '../store/store.ts'
import { CaError } from './ca-error.ts'

/** How many authorities of a kind are remembered; the oldest are dropped. */
export const journalCap = 10

/** Where the journals are read: the registry. */
export interface JournalReader {
  values(): Iterable<CaJournal>
}

/** What a journal keeps its record with. */
export interface JournalOptions {
  readonly store: Pick<Store, 'commit'>
  readonly journals: JournalReader
  /** @default says nothing */
  readonly log?: Logger
  /** @default a random UUID */
  readonly newId?: () => string
}

/** The recorded cause of every change that the CA makes on its own. */
export function caCause(reason: string): Cause {
  return { actor: { class: 'server', id: 'ca' }, requestId: '', reason }
}

/**
 * What this server remembers of its authorities across restarts: one record in the store, found again by the keys in the key
 * manager. Never a private key.
 *
 * Nothing is stored before an X.509 authority has been activated: until then no later start could find it.
 */
export class Journal {
  readonly #options: JournalOptions
  #record: CaJournal
  #isSaved = true
  #isStored: boolean

  private constructor(options: JournalOptions, record: CaJournal) {
    this.#options = options
    this.#record = record
    this.#isStored = !this.isNew
  }

  /**
   * Finds this server's journal: the one whose active X.509 authority has a key in the key manager. Without one it is empty.
   *
   * @param keyIds key identifiers (lower-case hex) of the keys in the key manager
   */
  static find(options: JournalOptions, keyIds: ReadonlySet<string>): Journal {
    for (const record of options.journals.values()) {
      if (keyIds.has(record.activeX509AuthorityId)) return new Journal(options, record)
    }
    const id = (options.newId ?? randomUUID)()
    return new Journal(options, {
      id,
      activeX509AuthorityId: '',
      x509Authorities: [],
      jwtAuthorities: [],
    })
  }

  /** Whether nothing has been stored under this journal yet. */
  get isNew(): boolean {
    return this.#record.activeX509AuthorityId === ''
  }

  /** Oldest first. */
  get x509Authorities(): readonly X509AuthorityRecord[] {
    return this.#record.x509Authorities
  }

  /** Oldest first. */
  get jwtAuthorities(): readonly JwtAuthorityRecord[] {
    return this.#record.jwtAuthorities
  }

  /** Oldest first. */
  get witAuthorities(): readonly JwtAuthorityRecord[] {
    return this.#record.witAuthorities ?? []
  }

  async appendX509(authority: X509AuthorityRecord): Promise<void> {
    const x509Authorities = [...this.#record.x509Authorities, authority].slice(-journalCap)
    await this.#change({ x509Authorities })
  }

  async appendJwt(authority: JwtAuthorityRecord): Promise<void> {
    const jwtAuthorities = [...this.#record.jwtAuthorities, authority].slice(-journalCap)
    await this.#change({ jwtAuthorities })
  }

  /** @throws {CaError} `ERR_JOURNAL_ENTRY_NOT_FOUND` */
  async setX509Status(authorityId: string, status: AuthorityStatus): Promise<void> {
    const list = this.#record.x509Authorities
    const found = list.findLast((one) => one.authorityId === authorityId)
    const x509Authorities = withStatus(list, found, authorityId, status)
    const isActive = status === AuthorityStatus.Active
    await this.#change({
      x509Authorities,
      ...(isActive ? { activeX509AuthorityId: authorityId } : {}),
    })
  }

  /** @throws {CaError} `ERR_JOURNAL_ENTRY_NOT_FOUND` */
  async setJwtStatus(authorityId: string, status: AuthorityStatus): Promise<void> {
    const list = this.#record.jwtAuthorities
    const found = list.findLast((one) => one.keyId === authorityId)
    await this.#change({ jwtAuthorities: withStatus(list, found, authorityId, status) })
  }

  async appendWit(authority: JwtAuthorityRecord): Promise<void> {
    await this.#change({ witAuthorities: [...this.witAuthorities, authority].slice(-journalCap) })
  }

  /** @throws {CaError} `ERR_JOURNAL_ENTRY_NOT_FOUND` */
  async setWitStatus(authorityId: string, status: AuthorityStatus): Promise<void> {
    const list = this.witAuthorities
    const found = list.findLast((one) => one.keyId === authorityId)
    await this.#change({ witAuthorities: withStatus(list, found, authorityId, status) })
  }

  /** Stores what an earlier failure left unstored. */
  async saveIfNeeded(): Promise<void> {
    if (!this.#isSaved) await this.#save()
  }

  async #change(changed: Partial<CaJournal>): Promise<void> {
    this.#record = { ...this.#record, ...changed }
    this.#isSaved = false
    await this.#save()
  }

  async #save(): Promise<void> {
    const value = this.#record
    const { log = silentLogger } = this.#options
    if (value.activeX509AuthorityId === '') return
    if (!this.#isStored) log.info('Creating a new CA journal entry')
    const [refusal] = await this.#options.store.commit([
      {
        cause: caCause('ca journal'),
        mutations: [{ op: 'put', kind: 'ca-journal', key: value.id, value, expect: 'any' }],
      },
    ])
    if (refusal) throw refusal
    this.#isStored = true
    if (this.#record === value) this.#isSaved = true
    const fields = { ca_journal_id: value.id, local_authority_id: value.activeX509AuthorityId }
    log.debug('Successfully stored CA journal entry in datastore', fields)
  }
}

function withStatus<Record extends { readonly status: AuthorityStatus }>(
  list: readonly Record[],
  found: Record | undefined,
  authorityId: string,
  status: AuthorityStatus,
): readonly Record[] {
  if (!found)
    throw new CaError(
      'ERR_JOURNAL_ENTRY_NOT_FOUND',
      `no journal entry found with authority ID "${authorityId}"`,
    )
  return list.map((one) => (one === found ? { ...one, status } : one))
}
