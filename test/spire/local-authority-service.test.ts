import { type ClientOf, createClient, GrpcError } from '@mini-spire/runtime/grpc/client'
import {
  type AuthorityState,
  LocalAuthorityService,
} from '@mini-spire/runtime/proto/spire/api/server/localauthority/v1/localauthority'
import { describe, it } from 'vitest'
import type { Chance } from './chance.ts'
import { isSpireMissing } from './programs.ts'
import { expectSameAnswers, requestCount, seed } from './same-answers.ts'

const count = requestCount(600)

const kinds = ['x509', 'jwt', 'wit'] as const
type Kind = (typeof kinds)[number]
const slots = ['active', 'prepared', 'old', 'first', 'none', 'empty'] as const
/** Which authority is meant: one in a slot, the first there ever was, or none. */
type Slot = (typeof slots)[number]
const acts = ['activate', 'taint', 'revoke'] as const
type AuthorityRequest =
  | { readonly act: 'show' | 'prepare'; readonly kind: Kind }
  | { readonly act: (typeof acts)[number]; readonly kind: Kind; readonly slot: Slot }
  | { readonly act: 'taintUpstream' | 'revokeUpstream'; readonly subjectKeyId: string }

function requestsOf(chance: Chance): () => AuthorityRequest {
  return () => {
    const kind = chance.of(kinds)
    const draw = chance.draw()
    if (draw < 0.2) return { act: 'show', kind }
    if (draw < 0.4) return { act: 'prepare', kind }
    if (draw < 0.95) return { act: chance.of(acts), kind, slot: chance.of(slots) }
    const act = chance.of(['taintUpstream', 'revokeUpstream'] as const)
    return { act, subjectKeyId: chance.of(['', 'x', 'ab'.repeat(20)]) }
  }
}

type States = Partial<Record<'active' | 'prepared' | 'old', AuthorityState | undefined>>

/** One server; its authorities have IDs of its own, which requests name by their slot. */
class Authorities {
  readonly #client: ClientOf<typeof LocalAuthorityService>
  readonly #first = new Map<Kind, string>()

  constructor(client: ClientOf<typeof LocalAuthorityService>) {
    this.#client = client
  }

  async ask(request: AuthorityRequest): Promise<unknown> {
    if ('subjectKeyId' in request) {
      return request.act === 'taintUpstream'
        ? await this.#client.taintX509UpstreamAuthority(request)
        : await this.#client.revokeX509UpstreamAuthority(request)
    }
    const { kind } = request
    const states = await this.#states(kind)
    if (!('slot' in request))
      return shapeOf({ ...(request.act === 'show' ? states : await this.#prepare(kind)) })
    const authorityId = this.#idOf(kind, request.slot, states)
    try {
      return shapeOf({ ...(await this.#change(kind, request.act, authorityId)) })
    } catch (error) {
      if (!(error instanceof GrpcError) || authorityId === '') throw error
      const statusMessage = error.statusMessage.replaceAll(authorityId, '<id>')
      throw new GrpcError({ statusCode: error.statusCode, statusMessage })
    }
  }

  #idOf(kind: Kind, slot: Slot, states: States): string {
    const active = states.active?.authorityId ?? ''
    if (!this.#first.has(kind)) this.#first.set(kind, active)
    if (slot === 'first') return this.#first.get(kind) ?? ''
    if (slot === 'empty') return ''
    return slot === 'none' ? 'none' : (states[slot]?.authorityId ?? 'none')
  }

  #states(kind: Kind): Promise<States> {
    if (kind === 'x509') return this.#client.getX509AuthorityState({})
    return kind === 'jwt'
      ? this.#client.getJwtAuthorityState({})
      : this.#client.getWitAuthorityState({})
  }

  #prepare(kind: Kind): Promise<object> {
    if (kind === 'x509') return this.#client.prepareX509Authority({})
    return kind === 'jwt'
      ? this.#client.prepareJwtAuthority({})
      : this.#client.prepareWitAuthority({})
  }

  #change(kind: Kind, act: (typeof acts)[number], authorityId: string): Promise<object> {
    const name = { x509: 'X509', jwt: 'Jwt', wit: 'Wit' } as const
    return this.#client[`${act}${name[kind]}Authority`]({ authorityId })
  }
}

/** What is left of states when each server's own IDs and times are taken out. */
function shapeOf(states: Readonly<Record<string, AuthorityState | undefined>>): unknown {
  const entries = Object.entries(states).map(([name, state]) => [
    name,
    state && {
      hasId: state.authorityId !== '',
      expires: state.expiresAt > 0n,
      upstream: state.upstreamAuthoritySubjectKeyId,
    },
  ])
  return Object.fromEntries(entries)
}

describe.skipIf(isSpireMissing())('the LocalAuthority service', () => {
  it(`answers ${count} generated requests as SPIRE's does (SEED=${seed})`, async () => {
    await expectSameAnswers<AuthorityRequest>({
      count,
      options: () => ({ settings: 'experimental { feature_flags = ["wit-svid"] }' }),
      source: requestsOf,
      open: async ({ channel }) => {
        const authorities = new Authorities(createClient(LocalAuthorityService, channel))
        return (request) => authorities.ask(request)
      },
    })
  })
})
