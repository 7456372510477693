/**
 * What a server must do, in as few words as possible: a map of entries, a map of agents, a map of tokens. Where the real
 * one has indexes, a log, a disk and two listeners, this has loops.
 */

/** An entry as the reference keeps it: identifiers as text, no indexes. */
export interface ReferenceEntry {
  readonly id: string
  readonly spiffeId: string
  readonly parentId: string
  /** `type:value` */
  readonly selectors: readonly string[]
  readonly federatesWith: readonly string[]
  readonly dnsNames: readonly string[]
  readonly hint: string
  readonly x509SvidTtl: number
  readonly admin: boolean
  readonly downstream: boolean
  readonly revision: number
}

/** An entry as it is asked for. */
export type EntryInput = Omit<ReferenceEntry, 'revision'>

/** An agent as the reference keeps it. */
export interface ReferenceAgent {
  readonly id: string
  readonly isBanned: boolean
}

/** The status code and the start of the message a command must be answered with. */
export interface Expected {
  readonly code: number
  readonly message: string
}

export const ok: Expected = { code: 0, message: 'OK' }

const trustDomain = 'model.test'
const idPattern = /^spiffe:\/\/([a-z0-9._-]+)((?:\/[A-Za-z0-9._-]+)*)$/

/** A small server. Every method says what the real one must answer, and changes only what that answer promises. */
export class Reference {
  readonly entries: Map<string, ReferenceEntry> = new Map()
  readonly agents: Map<string, ReferenceAgent> = new Map()
  readonly tokens: Set<string> = new Set()
  readonly bundles: Set<string> = new Set()

  /** The rules of an entry, in the order in which they are checked; undefined when it is good. */
  refusal(input: EntryInput): string | undefined {
    const parent = this.#memberRefusal(input.parentId)
    if (parent) return `failed to convert entry: invalid parent ID: ${parent}`
    const id = this.#workloadRefusal(input.spiffeId)
    if (id) return `failed to convert entry: invalid spiffe ID: ${id}`
    if (input.dnsNames.includes('')) return 'failed to convert entry: invalid DNS name: '
    if (input.selectors.length === 0) return 'failed to convert entry: selector list is empty'
    const bad = input.selectors.find((selector) => /^:|:$/.test(selector))
    if (bad)
      return `failed to convert entry: missing selector ${bad.startsWith(':') ? 'type' : 'value'}`
    if (input.hint.length > 1024) return 'failed to convert entry: hint is too long'
    return undefined
  }

  create(input: EntryInput): Expected {
    const refused = this.refusal(input)
    if (refused) return { code: 3, message: refused }
    if (input.id !== '' && !/^[-._A-Za-z0-9]{1,255}$/.test(input.id)) {
      return {
        code: 3,
        message:
          'failed to create entry: datastore-validation: invalid registration entry: entry ID',
      }
    }
    if (input.x509SvidTtl < 0) return this.#negativeTtl('create')
    if (this.similarTo(input)) return { code: 6, message: 'similar entry already exists' }
    if (this.entries.has(input.id)) return { code: 6, message: 'failed to create entry: ' }
    return this.#storeRefusal(input, 'create') ?? ok
  }

  update(input: EntryInput): Expected {
    const refused = this.refusal(input)
    if (refused) return { code: 3, message: refused }
    if (input.x509SvidTtl < 0) return this.#negativeTtl('update')
    if (!this.entries.has(input.id)) return { code: 5, message: 'failed to update entry' }
    return this.#storeRefusal(input, 'update') ?? ok
  }

  remove(id: string): Expected {
    if (id === '') return { code: 3, message: 'missing entry ID' }
    return this.entries.delete(id) ? ok : { code: 5, message: 'entry not found' }
  }

  similarTo(input: EntryInput): ReferenceEntry | undefined {
    return [...this.entries.values()].find(
      (entry) =>
        entry.spiffeId === input.spiffeId &&
        entry.parentId === input.parentId &&
        sameSet(entry.selectors, input.selectors),
    )
  }

  list(filter: EntryFilter): readonly string[] {
    return [...this.entries.values()]
      .filter((entry) => filter.spiffeId === undefined || entry.spiffeId === filter.spiffeId)
      .filter((entry) => filter.parentId === undefined || entry.parentId === filter.parentId)
      .filter(
        (entry) => filter.hint === undefined || filter.hint === '' || entry.hint === filter.hint,
      )
      .filter((entry) => !filter.downstream || entry.downstream)
      .filter(
        (entry) =>
          filter.selectors === undefined ||
          matches(entry.selectors, filter.selectors, filter.match),
      )
      .map((entry) => entry.id)
  }

  /** Deletes an agent, with the alias entry of its join token. */
  evict(id: string): Expected {
    if (!this.agents.delete(id)) return { code: 5, message: 'agent not found' }
    for (const entry of this.entries.values()) {
      const isAlias =
        entry.parentId === id &&
        entry.selectors.length === 1 &&
        entry.selectors[0] === `spiffe_id:${id}`
      if (isAlias) this.entries.delete(entry.id)
    }
    return ok
  }

  ban(id: string): Expected {
    const agent = this.agents.get(id)
    if (!agent) return { code: 5, message: 'agent not found' }
    this.agents.set(id, { ...agent, isBanned: true })
    return ok
  }

  /** An attestation with a token: once, and never for a banned agent. */
  attest(token: string): Expected {
    if (!this.tokens.has(token)) {
      return {
        code: 3,
        message: 'failed to attest: join token does not exist or has already been used',
      }
    }
    const id = `spiffe://${trustDomain}/spire/agent/join_token/${token}`
    const refused = { code: 7, message: 'failed to attest: agent is banned' }
    if (this.agents.get(id)?.isBanned) return refused
    this.tokens.delete(token)
    this.agents.set(id, { id, isBanned: false })
    return ok
  }

  #negativeTtl(verb: 'create' | 'update'): Expected {
    return {
      code: 3,
      message: `failed to ${verb} entry: datastore-validation: invalid registration entry: X509SvidTtl is not set`,
    }
  }

  /** What the store refuses: a creation looks at bundles first, an update at repeated rows. */
  #storeRefusal(input: EntryInput, verb: 'create' | 'update'): Expected | undefined {
    const isUnknown = input.federatesWith.some((name) => !this.bundles.has(name))
    const bundle = { code: 13, message: `failed to ${verb} entry: unable to find federated bundle` }
    const isRepeated =
      new Set(input.selectors).size < input.selectors.length ||
      new Set(input.dnsNames).size < input.dnsNames.length
    const repeated = { code: 6, message: `failed to ${verb} entry: ` }
    if (verb === 'update' && isRepeated) return repeated
    if (isUnknown) return bundle
    return isRepeated ? repeated : undefined
  }

  #memberRefusal(id: string): string | undefined {
    const [, domain, path] = idPattern.exec(id) ?? []
    if (domain === undefined) return ''
    if (domain !== trustDomain) return `"${id}" is not a member of trust domain "${trustDomain}"`
    return path === ''
      ? `"${id}" is not a member of trust domain "${trustDomain}"; path is empty`
      : undefined
  }

  #workloadRefusal(id: string): string | undefined {
    const [, domain, path] = idPattern.exec(id) ?? []
    if (domain === undefined) return ''
    const start = `"${id}" is not a workload in trust domain "${trustDomain}"`
    if (domain !== trustDomain) return `"${id}" is not a member of trust domain "${trustDomain}"`
    if (path === '') return `${start}; path is empty`
    if (path === '/spire' || path?.startsWith('/spire/'))
      return `${start}; path is in the reserved namespace`
    return undefined
  }
}

export interface EntryFilter {
  readonly spiffeId?: string
  readonly parentId?: string
  readonly hint?: string
  readonly downstream?: boolean
  readonly selectors?: readonly string[]
  /** 0 exact, 1 subset, 2 superset, 3 any */
  readonly match?: number
}

function sameSet(a: readonly string[], b: readonly string[]): boolean {
  const [left, right] = [new Set(a), new Set(b)]
  return left.size === right.size && [...left].every((item) => right.has(item))
}

function matches(candidate: readonly string[], asked: readonly string[], match = 0): boolean {
  const [have, want] = [new Set(candidate), new Set(asked)]
  switch (match) {
    case 0:
      return sameSet(candidate, asked)
    case 1:
      return have.size > 0 && [...have].every((item) => want.has(item))
    case 2:
      return [...want].every((item) => have.has(item))
    default:
      return [...want].some((item) => have.has(item))
  }
}
