import { generateKeyPairSync } from 'node:crypto'
import { buildCsr } from '@mini-spire/runtime/x509/csr'
import { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import { parseCertificate } from '@mini-spire/sdk/x509'
import { decodeJwt } from 'jose'
import { beforeEach, describe, expect, it } from 'vitest'
import { GatheredAudit } from '../audit/audit-event.ts'
import { TestState } from '../ca/ca.test-kit.ts'
import { Issuer } from '../issuance/issuer.ts'
import { exchangeId } from '../model/exchange-id.ts'
import type { RegistrationEntry } from '../model/registration-entry.ts'
import { putEntries, testEntry, testId, testSelectors } from '../store/store.test-kit.ts'
import type { IssuanceRecord, Transaction } from '../store/store.ts'
import type { ExchangedSvid, ExchangeQuestion, ExchangeRequest } from './exchange-request.ts'
import { TokenExchange, type TokenExchangeOptions } from './exchange-token.ts'
import { readJwks } from './read-jwks.ts'
import { TokenMint } from './token-mint.test-kit.ts'
import { maxUsedTokens, pruneUsedTokens, useToken } from './used-tokens.ts'
import { TokenVerifier } from './verify-token.ts'

const mint = new TokenMint('https://issuer.test')
const keys = readJwks(mint.jwks())
const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
const cause = { actor: { class: 'server', id: 'test' }, requestId: '', reason: 'test' } as const

let state: TestState
let issued: IssuanceRecord[]
let questions: ExchangeQuestion[]
let isAllowed: boolean
let issuer: Issuer
beforeEach(async () => {
  state = new TestState()
  issued = []
  questions = []
  isAllowed = true
  const authorities = state.manager()
  await authorities.start()
  issuer = new Issuer({
    trustDomain: state.trustDomain,
    authorities,
    issuanceLog: { append: (record) => issued.push(record) },
    clock: state.clock,
    ttls: {
      x509SvidTtlSeconds: 3600,
      jwtSvidTtlSeconds: 300,
      agentSvidTtlSeconds: 3600,
      caTtlSeconds: 86_400,
    },
    jwtIssuer: '',
  })
})

const now = (): number => state.clock.nowMs() / 1000
const parentId = (): SpiffeId => exchangeId(state.trustDomain, 'ci')

/** A server over the state of the test: several may share it, and a new one knows nothing but what is stored. */
function server(options: Partial<TokenExchangeOptions> = {}): TokenExchange {
  const trusted = {
    name: 'ci',
    url: mint.url,
    audiences: new Set(['spiffe-exchange']),
    maxLifetimeSeconds: 3600,
    maxAgeSeconds: undefined,
    rules: [],
    selectorType: 'ci',
    selectors: new Map([
      ['repository', ['repository']],
      ['ref', ['ref']],
    ]),
    keys: { find: async (keyId: string) => keys.get(keyId) },
  }
  return new TokenExchange({
    trustDomain: state.trustDomain,
    verifier: new TokenVerifier({ issuers: [trusted], clock: state.clock }),
    state,
    issuer,
    isAllowed: (question) => {
      questions.push(question)
      return isAllowed
    },
    areJwtSvidsDisabled: false,
    clock: state.clock,
    ...options,
  })
}

async function register(id: string, fields: Partial<RegistrationEntry> = {}): Promise<void> {
  const selectors = testSelectors('ci:repository:octo/app')
  const entry = testEntry(id, { parentId: parentId(), selectors, ...fields })
  expect(await state.store.commit([putEntries(entry)])).toEqual([undefined])
}

interface Wish {
  readonly token?: string
  readonly request?: Partial<ExchangeRequest>
  readonly audit?: GatheredAudit
  readonly by?: TokenExchange
}

function exchange({ token, request, audit, by = server() }: Wish = {}): Promise<ExchangedSvid> {
  return by.exchange(
    {
      subjectToken: token ?? mint.token(now()),
      wanted: { kind: 'jwt-svid', audience: ['api'] },
      spiffeId: undefined,
      ...request,
    },
    { requestId: 'request', audit: audit ?? new GatheredAudit() },
  )
}
const code = (name: string): unknown => expect.objectContaining({ code: name })

describe('a token', () => {
  it('is exchanged for a JWT-SVID of the entry that its claims select', async () => {
    await register('web', { spiffeId: testId('/web'), jwtSvidTtlSeconds: 120 })
    const audit = new GatheredAudit()
    const svid = await exchange({ audit })
    if (svid.kind !== 'jwt-svid') throw new Error('another SVID')
    const id = 'spiffe://example.org/web'
    expect(decodeJwt(svid.token)).toMatchObject({ sub: id, aud: ['api'], exp: now() + 120 })
    const requester = 'spiffe://example.org/spire/exchange/ci'
    expect(issued).toMatchObject([{ type: 'jwt-svid', entryId: 'web', spiffeId: id, requester }])
    expect(audit.fields).toEqual({
      token_issuer: 'ci',
      token_hash: expect.stringMatching(/^[\da-f]{64}$/),
      registration_id: 'web',
      spiffe_id: id,
    })
  })

  it('is exchanged for an X509-SVID for a key that the caller proves to have [gate 2]', async () => {
    await register('web', {
      spiffeId: testId('/web'),
      dnsNames: ['web.test'],
      x509SvidTtlSeconds: 60,
    })
    const csr = await buildCsr({
      key,
      uriSan: 'spiffe://example.org/admin',
      dnsNames: ['evil.test'],
    })
    const svid = await exchange({ request: { wanted: { kind: 'x509-svid', csr } } })
    if (svid.kind !== 'x509-svid') throw new Error('another SVID')
    const { names, notAfter } = parseCertificate(svid.chain[0] ?? Buffer.of())
    expect(names).toMatchObject({ uris: ['spiffe://example.org/web'], dnsNames: ['web.test'] })
    expect(notAfter.getTime() / 1000).toBe(now() + 60)
  })

  it('is not spent on a signing request that proves nothing', async () => {
    await register('web')
    const token = mint.token(now())
    const by = server()
    const csr = Buffer.from(await buildCsr({ key }))
    csr[csr.length - 1] = (csr.at(-1) ?? 0) ^ 1
    const request: Wish['request'] = { wanted: { kind: 'x509-svid', csr } }
    await expect(exchange({ token, request, by })).rejects.toThrow(code('ERR_CSR_REFUSED'))
    expect(state.registry.usedTokens.size).toBe(0)
    await expect(exchange({ token, by })).resolves.toBeDefined()
  })

  it('is not exchanged for a JWT-SVID for nobody, or where there are none', async () => {
    await register('web')
    const request: Wish['request'] = { wanted: { kind: 'jwt-svid', audience: [] } }
    await expect(exchange({ request })).rejects.toThrow(code('ERR_EXCHANGE_TARGET'))
    const by = server({ areJwtSvidsDisabled: true })
    await expect(exchange({ by })).rejects.toThrow(code('ERR_EXCHANGE_TARGET'))
    expect(issued).toEqual([])
  })

  it('is not exchanged against the policy, which knows what for', async () => {
    await register('web', { spiffeId: testId('/web') })
    isAllowed = false
    await expect(exchange()).rejects.toThrow(code('ERR_EXCHANGE_DENIED'))
    expect(state.registry.usedTokens.size).toBe(0)
    expect(questions).toEqual([
      {
        issuer: 'ci',
        spiffeId: 'spiffe://example.org/web',
        entryId: 'web',
        requested: 'jwt-svid',
        audience: ['api'],
      },
    ])
  })
})

describe('the entry of a token', () => {
  const idOf = async (wish: Wish = {}): Promise<string> => String((await exchange(wish)).spiffeId)
  const noEntry = code('ERR_EXCHANGE_NO_ENTRY')

  it('has all of its selectors among the token’s', async () => {
    await register('branch', {
      selectors: testSelectors('ci:repository:octo/app', 'ci:ref:refs/heads/release'),
    })
    await expect(exchange()).rejects.toThrow(noEntry)
    const token = mint.token(now(), { ref: 'refs/heads/release' })
    expect(await idOf({ token })).toBe('spiffe://example.org/workload/branch')
  })

  it('is selected by nothing that a claim does not say', async () => {
    const selectors = [...testSelectors('ci:repository:octo/app'), { type: 'ci', value: 'ref:' }]
    await register('web', { selectors })
    await expect(exchange({ token: mint.token(now(), { ref: '' }) })).rejects.toThrow(noEntry)
    await expect(exchange({ token: mint.token(now(), { ref: [''] }) })).rejects.toThrow(noEntry)
  })

  it.each<[string, () => Partial<RegistrationEntry>]>([
    ['below another issuer', () => ({ parentId: exchangeId(state.trustDomain, 'other') })],
    ['below the server', () => ({ parentId: testId('/spire/server') })],
    ['below an agent', () => ({ parentId: testId('/spire/agent/x') })],
    ['below an ID that goes on', () => ({ parentId: testId('/spire/exchange/ci/x') })],
    [
      'with selectors of another type',
      () => ({ selectors: testSelectors('unix:repository:octo/app') }),
    ],
    ['for another repository', () => ({ selectors: testSelectors('ci:repository:octo/app2') })],
    ['that has expired', () => ({ expiresAtSeconds: now() })],
    ['of an administrator', () => ({ admin: true })],
    ['of a downstream server', () => ({ downstream: true })],
    ['whose SVID is stored elsewhere', () => ({ storeSvid: true })],
  ])('is never one %s', async (_, fields) => {
    await register('web', fields())
    await expect(exchange()).rejects.toThrow(noEntry)
    expect(state.registry.usedTokens.size).toBe(0)
  })

  it('is asked for where there are several identities', async () => {
    await register('one')
    await register('two')
    await expect(exchange()).rejects.toThrow(code('ERR_EXCHANGE_AMBIGUOUS'))
    for (const id of ['one', 'two']) {
      const spiffeId = testId(`/workload/${id}`)
      expect(await idOf({ request: { spiffeId } })).toBe(spiffeId.toString())
    }
    const spiffeId = testId('/workload/three')
    await expect(exchange({ request: { spiffeId } })).rejects.toThrow(noEntry)
    const foreign = SpiffeId.parse('spiffe://other.org/workload/one')
    await expect(exchange({ request: { spiffeId: foreign } })).rejects.toThrow(noEntry)
  })

  it('is the one with the most selectors, then the oldest, of one identity', async () => {
    const spiffeId = testId('/same')
    const both = testSelectors('ci:repository:octo/app', 'ci:ref:refs/heads/main')
    await register('old', { spiffeId })
    await register('both', { spiffeId, selectors: both })
    await register('new', { spiffeId, selectors: both, hint: 'new' })
    await exchange()
    expect(issued.map(({ entryId }) => entryId)).toEqual(['both'])
  })
})

describe('a token is exchanged once', () => {
  const used = code('ERR_EXCHANGE_TOKEN_USED')
  beforeEach(() => register('web'))

  it('and not again, whatever is asked for, also after a restart [gate 4]', async () => {
    const token = mint.token(now())
    await exchange({ token })
    await expect(exchange({ token })).rejects.toThrow(used)
    const csr = await buildCsr({ key })
    const request: Wish['request'] = { wanted: { kind: 'x509-svid', csr } }
    await expect(exchange({ token, request })).rejects.toThrow(used)
    expect(issued).toHaveLength(1)
  })

  it('however many ask side by side, at one server and at several over one store [gate 4]', async () => {
    const token = mint.token(now())
    const servers = [server(), server(), server(), server()]
    // Nobody writes before everybody is about to: what counts is what the store says.
    let waiting = 0
    let begin = (): void => {}
    const all = new Promise<void>((resolve) => {
      begin = resolve
    })
    state.beforeCommit = async () => {
      if (++waiting === servers.length) begin()
      await all
    }
    const outcomes = await Promise.allSettled(
      Array.from({ length: 200 }, (_, index) => {
        const by = servers[index % servers.length] ?? server()
        return exchange({ token, by })
      }),
    )
    const refused = outcomes.filter((one) => one.status === 'rejected')
    expect(refused).toHaveLength(199)
    for (const { reason } of refused)
      expect(reason).toMatchObject({ code: 'ERR_EXCHANGE_TOKEN_USED' })
    expect(issued).toHaveLength(1)
  })

  it('whichever of its signatures comes', async () => {
    const claims = { jti: undefined }
    const options = { algorithm: 'ES256', key: mint.ec, header: { kid: 'ec' } }
    await exchange({ token: mint.token(now(), claims, options) })
    const again = mint.token(now(), claims, options)
    await expect(exchange({ token: again })).rejects.toThrow(used)
  })

  it('also when nothing came of it after it was used up', async () => {
    const token = mint.token(now())
    const broken = {
      issueX509Svid: issuer.issueX509Svid.bind(issuer),
      issueJwtSvid: () => Promise.reject(new Error('killed')),
    }
    await expect(exchange({ token, by: server({ issuer: broken }) })).rejects.toThrow('killed')
    await expect(exchange({ token })).rejects.toThrow(used)
    expect(issued).toEqual([])
  })

  it('and not before it is on disk: nothing is issued when it cannot be written', async () => {
    const token = mint.token(now())
    state.beforeCommit = () => {
      throw new Error('disk full')
    }
    await expect(exchange({ token })).rejects.toThrow(code('ERR_EXCHANGE_NOT_STORED'))
    expect(issued).toEqual([])
    state.beforeCommit = () => {}
    await expect(exchange({ token })).resolves.toBeDefined()
  })

  it('and signed for after that only', async () => {
    const order: string[] = []
    state.afterCommit = () => void order.push('stored')
    const watched = {
      issueX509Svid: issuer.issueX509Svid.bind(issuer),
      issueJwtSvid: (request: Parameters<Issuer['issueJwtSvid']>[0]) => {
        order.push('signed')
        return issuer.issueJwtSvid(request)
      },
    }
    await exchange({ by: server({ issuer: watched }) })
    expect(order).toEqual(['stored', 'signed'])
  })

  it('and remembered until it has expired, and some time longer', async () => {
    const token = mint.token(now())
    await exchange({ token })
    const prune = (): Promise<number> => pruneUsedTokens(state, { nowSeconds: now(), cause })
    state.clock.advance(659_000)
    expect(await prune()).toBe(0)
    await expect(exchange({ token })).rejects.toThrow(used)
    state.clock.advance(602_000)
    await expect(exchange({ token })).rejects.toThrow(code('ERR_EXCHANGE_TOKEN_TIMES'))
    expect([await prune(), state.registry.usedTokens.size, await prune()]).toEqual([1, 0, 0])
  })
})

describe('tokens that were exchanged', () => {
  it('cost nobody a write, whether they come again or while the first exchange goes on', async () => {
    await register('a')
    let [commits, refusals, write] = [0, 0, (): void => {}]
    const written = new Promise<void>((resolve) => {
      write = resolve
    })
    const store: TestState['store'] = {
      commit: async (transactions) => {
        commits++
        await written
        return await state.store.commit(transactions)
      },
    }
    const by = server({ state: { registry: state.registry, store } })
    const token = mint.token(now())
    const all = Array.from({ length: 20 }, () => exchange({ token, by }).catch(() => refusals++))
    await expect.poll(() => commits + refusals).toBe(20)
    write()
    await Promise.all(all)
    expect([commits, refusals]).toEqual([1, 19])
    await expect(exchange({ token, by })).rejects.toThrow(code('ERR_EXCHANGE_TOKEN_USED'))
    expect(commits).toBe(1)
  })

  it('are so many at most', async () => {
    const full = { find: () => undefined, size: maxUsedTokens, values: () => [] }
    const registry = { usedTokens: full } as unknown as TestState['registry']
    const committed: (readonly Transaction[])[] = []
    const store: TestState['store'] = {
      commit: async (transactions) => {
        committed.push(transactions)
        return []
      },
    }
    const use = { tokenHash: 'a', expiresAtSeconds: 0, cause }
    await expect(useToken({ registry, store }, use)).rejects.toThrow(
      code('ERR_EXCHANGE_NOT_STORED'),
    )
    expect(committed).toEqual([])
  })

  it('are forgotten in batches', async () => {
    const mutations = Array.from({ length: 1_201 }, (_, index) => {
      const value = { tokenHash: `hash-${index}`, expiresAtSeconds: index === 0 ? 10 : 5 }
      return {
        op: 'put',
        kind: 'used-token',
        key: value.tokenHash,
        value,
        expect: 'absent',
      } as const
    })
    await state.store.commit([{ cause, mutations }])
    const sizes: number[] = []
    state.beforeCommit = ([transaction]) => void sizes.push(transaction?.mutations.length ?? 0)
    expect(await pruneUsedTokens(state, { nowSeconds: 7, cause })).toBe(1_200)
    expect(sizes).toEqual([500, 500, 200])
    expect([...state.registry.usedTokens.values()]).toMatchObject([{ tokenHash: 'hash-0' }])
  })
})
