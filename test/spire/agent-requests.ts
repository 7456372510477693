import type { CreateJoinTokenRequest } from '@mini-spire/runtime/proto/spire/api/server/agent/v1/agent'
import { Agent, type AgentMask } from '@mini-spire/runtime/proto/spire/api/types/agent'
import type { SelectorMatch } from '@mini-spire/runtime/proto/spire/api/types/selector'
import type { SPIFFEID } from '@mini-spire/runtime/proto/spire/api/types/spiffeid'
import type { Chance } from './chance.ts'

/** A filter of agents; the same fields list and count. */
export interface AgentFilter {
  readonly byAttestationType: string
  readonly bySelectorMatch: SelectorMatch | undefined
  readonly byBanned: boolean | undefined
  readonly byCanReattest: boolean | undefined
  readonly byExpiresBefore: string
}

/** How an attestation is begun, and how its challenge is answered. */
export interface Attestation {
  /** Parts of the first message that are left out. */
  readonly without: readonly ('params' | 'data' | 'svid' | 'csr' | 'type' | 'payload')[]
  readonly type: string
  /** A join token, or the number of a node's certificate, or anything. */
  readonly payload: string
  readonly csr: 'good' | 'garbage'
  readonly answer: 'good' | 'garbage' | 'empty'
}

/** One request to an Agent service. */
export type AgentRequest =
  | ({ readonly kind: 'list'; readonly pageSize: number; readonly pageToken: string } & Listed)
  | { readonly kind: 'count'; readonly filter: AgentFilter | undefined }
  | {
      readonly kind: 'get'
      readonly id: SPIFFEID | undefined
      readonly mask: AgentMask | undefined
    }
  | { readonly kind: 'delete' | 'ban'; readonly id: SPIFFEID | undefined }
  | ({ readonly kind: 'token' } & CreateJoinTokenRequest)
  | ({ readonly kind: 'attest' } & Attestation)
  | {
      readonly kind: 'renew'
      readonly agent: string
      readonly csr: 'good' | 'garbage' | 'empty' | 'none'
    }
  | { readonly kind: 'status'; readonly agent: string; readonly version: string }
  | {
      readonly kind: 'forbidden'
      readonly agent: string
      readonly method: 'list' | 'ban' | 'token'
    }

interface Listed {
  readonly filter: AgentFilter | undefined
  readonly mask: AgentMask | undefined
}

const maskFields = Object.keys(Agent.fromPartial({})).filter((field) => field !== 'id')
const strangeTokens = ['a b', 'ä', 'x/y', '..', 'x'.repeat(256), '%41', 'T0']
const tokens = Array.from({ length: 9 }, (_, n) => `t${n}`)

/** Makes requests to an Agent service out of few values, so that they meet; and now and then a value that is none. */
export class AgentRequests {
  readonly #chance: Chance
  readonly #popIds: readonly string[]
  readonly #selectors: readonly { readonly type: string; readonly value: string }[]

  /** The paths of the agents that attest with certificates, and selectors that agents have. */
  constructor(
    chance: Chance,
    popIds: readonly string[],
    selectors: readonly { readonly type: string; readonly value: string }[],
  ) {
    this.#chance = chance
    this.#popIds = popIds
    this.#selectors = selectors
  }

  /** The next request. */
  next(): AgentRequest {
    const draw = this.#chance.draw()
    if (draw < 0.18) return this.#token()
    if (draw < 0.36) return { kind: 'attest', ...this.#attestation() }
    if (draw < 0.4) return { kind: 'delete', id: this.#id() }
    if (draw < 0.44) return { kind: 'ban', id: this.#id(this.#popIds) }
    if (draw < 0.54) return { kind: 'get', id: this.#id(), mask: this.#mask() }
    if (draw < 0.76) return this.#list()
    if (draw < 0.86) return { kind: 'count', filter: this.#filter() }
    return this.#asAgent()
  }

  #token(): AgentRequest {
    const agentId = this.#chance.happens(0.4) ? this.#workloadId() : undefined
    const ttl = this.#chance.of([60, 600, 600, 600, 0, -1, 2147483647])
    // With an agent ID such a token is refused and, in SPIRE, kept (docs/decisions/compatibility.md): not asked for twice.
    const token =
      this.#chance.happens(0.05) && !agentId
        ? this.#chance.of(strangeTokens)
        : this.#chance.of(tokens)
    return { kind: 'token', ttl, token, agentId }
  }

  #attestation(): Attestation {
    const chance = this.#chance
    const without = chance.happens(0.12)
      ? chance.some(
          () => chance.of(['params', 'data', 'svid', 'csr', 'type', 'payload'] as const),
          2,
        )
      : []
    const csr = chance.happens(0.06) ? 'garbage' : 'good'
    if (chance.happens(0.06)) {
      const type = chance.of(['none', 'aws_iid', 'JOIN_TOKEN', 'x509pop '])
      return { without, type, payload: 'x', csr, answer: 'good' }
    }
    if (chance.happens(0.6)) {
      const payload = chance.happens(0.08)
        ? chance.of(['T0', 'x'.repeat(256), 'none', '\u0000'])
        : chance.of(tokens)
      // What fails for another reason than its token spends the token in SPIRE only (docs/decisions/0600): not asked for.
      return { without, type: 'join_token', payload, csr: 'good', answer: 'good' }
    }
    const payload = chance.happens(0.06)
      ? chance.of(['{}', 'x', '{"certificates":[]}'])
      : chance.of(['0', '1', '2'])
    const answer = chance.happens(0.1) ? chance.of(['garbage', 'empty'] as const) : 'good'
    return { without, type: 'x509pop', payload, csr, answer }
  }

  #asAgent(): AgentRequest {
    const agent = this.#agentPath()
    const draw = this.#chance.draw()
    if (draw < 0.5) {
      const csr = this.#chance.of(['good', 'good', 'good', 'garbage', 'empty', 'none'] as const)
      return { kind: 'renew', agent, csr }
    }
    if (draw < 0.85) {
      const version = this.#chance.of([
        '1.15.3',
        '1.2',
        'x'.repeat(255),
        'x'.repeat(256),
        '',
        'ä'.repeat(128),
      ])
      return { kind: 'status', agent, version }
    }
    return { kind: 'forbidden', agent, method: this.#chance.of(['list', 'ban', 'token'] as const) }
  }

  #list(): AgentRequest {
    const isPaged = this.#chance.happens(0.6)
    return {
      kind: 'list',
      filter: this.#filter(),
      mask: this.#mask(),
      pageSize: isPaged ? this.#chance.of([-1, 1, 2, 3, 7, 1000]) : 0,
      pageToken: this.#chance.happens(0.05) ? this.#chance.of(['bogus', '-1', '1.5', ' 1']) : '',
    }
  }

  #filter(): AgentFilter | undefined {
    if (this.#chance.happens(0.2)) return undefined
    const maybe = <T>(make: () => T): T | undefined =>
      this.#chance.happens(0.25) ? make() : undefined
    return {
      byAttestationType: maybe(() => this.#chance.of(['join_token', 'x509pop', 'none'])) ?? '',
      bySelectorMatch: maybe(() => ({
        selectors: this.#chance.some(this.#selector, 4),
        // The numbers of the enumeration, and one that is none of them.
        match: (this.#chance.happens(0.03) ? 7 : Math.floor(this.#chance.draw() * 4)) as never,
      })),
      byBanned: maybe(() => this.#chance.happens(0.5)),
      byCanReattest: maybe(() => this.#chance.happens(0.5)),
      // Another form is refused (docs/decisions/0601): not asked for.
      byExpiresBefore:
        maybe(() =>
          this.#chance.of(['2020-01-01 00:00:00 +0000 +00', '2099-01-01 00:00:00 +0100 +01']),
        ) ?? '',
    }
  }

  #mask(): AgentMask | undefined {
    if (this.#chance.happens(0.5)) return undefined
    const fields = this.#chance.happens(0.2)
      ? []
      : maskFields.filter(() => this.#chance.happens(0.6))
    return Object.fromEntries(maskFields.map((field) => [field, fields.includes(field)])) as never
  }

  readonly #selector = (): { type: string; value: string } =>
    this.#chance.happens(0.04)
      ? this.#chance.of([
          { type: '', value: 'a' },
          { type: 'a', value: '' },
          { type: 'a:b', value: 'c' },
        ])
      : this.#chance.of([...this.#selectors, { type: 'a', value: '1' }])

  #id(paths?: readonly string[]): SPIFFEID | undefined {
    if (this.#chance.happens(0.03)) return undefined
    if (this.#chance.happens(0.08)) return this.#workloadId()
    const path = paths ? this.#chance.of(paths) : this.#agentPath()
    return { trustDomain: 'example.org', path }
  }

  #agentPath(): string {
    return this.#chance.of([
      ...tokens.map((token) => `/spire/agent/join_token/${token}`),
      ...this.#popIds,
    ])
  }

  #workloadId(): SPIFFEID {
    const path = this.#chance.happens(0.2)
      ? this.#chance.of([
          '',
          '/',
          '/x y',
          'a',
          '/./a',
          '/spire/agent',
          '/spire/agent/',
          '/spire/server',
          '/spire',
        ])
      : this.#chance.of(['/a', '/b'])
    const trustDomain = this.#chance.happens(0.1)
      ? this.#chance.of(['', 'other.org', 'Example.org', 'a b', 'spiffe://example.org'])
      : 'example.org'
    return { trustDomain, path }
  }
}
