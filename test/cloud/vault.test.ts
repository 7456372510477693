import { inspect } from 'node:util'
import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { ExchangeError, VaultLogin, type VaultLoginOptions } from '@mini-spire/sdk/vault'
import type { X509Svid } from '@mini-spire/sdk/x509-svid'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { FakeVault, type FakeVaultOptions } from '../kit/fake-vault.ts'
import { TokenScene } from '../kit/token-scene.ts'

const audience = 'https://vault.example.org'
const subject = 'spiffe://vault.test/web'
let scene: TokenScene
let vault: FakeVault
const hourMs = 3_600_000

beforeAll(async () => {
  scene = await TokenScene.start()
})
afterAll(() => scene[Symbol.asyncDispose]())
beforeEach(() => {
  scene.tokens = { ttlSeconds: 7200 }
})
afterEach(() => vault[Symbol.asyncDispose]())

async function serve(options: FakeVaultOptions = {}): Promise<void> {
  vault = new FakeVault({
    jwtPolicy: scene.policy(audience),
    certificateUri: subject,
    ...options,
  })
  await vault.start()
}

const jwt = (options: object = {}): VaultLoginOptions['auth'] => ({
  kind: 'jwt',
  svids: scene.svids,
  role: 'web',
  audience,
  ...options,
})

function login(options: Partial<VaultLoginOptions> = {}): VaultLogin {
  const roots = [vault.tlsRoot]
  return new VaultLogin({ address: vault.address, roots, auth: jwt(), ...options })
}

const paths = (): readonly string[] => vault.calls.map(({ path }) => path)

async function failureOf(options: Partial<VaultLoginOptions> = {}): Promise<ExchangeError> {
  using source = login(options)
  const error = await source.getToken().then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(ExchangeError)
  const said = inspect(error, { depth: 10, showHidden: true })
  for (const token of scene.handedOut)
    for (const part of token.split('.')) expect(said).not.toContain(part)
  return error as ExchangeError
}

describe('a token of Vault for a JWT-SVID', () => {
  it('comes by the JWT auth method, once for all who ask, and is never printed', async () => {
    await serve({ namespace: 'team' })
    using source = login({ namespace: 'team' })
    const [one, other] = await Promise.all([source.getToken(), source.getToken()])
    expect(one?.token).toMatch(/^[0-9a-f-]{36}$/)
    expect(other).toBe(one)
    expect(paths()).toEqual(['auth/jwt/login'])
    expect(vault.calls[0]?.isMarked).toBe(true)
    expect(Object.keys(vault.calls[0]?.body ?? {}).sort()).toEqual(['jwt', 'role'])
    expect(`${inspect(one)}${JSON.stringify(one)}`).not.toContain(one?.token)
  })

  it('has its lease renewed ahead of the end, and stays the same', async () => {
    await serve()
    const clock = new FakeClock(new Date())
    using source = login({ clock, chance: () => 0 })
    const { token } = await source.getToken()
    await source.getToken()
    clock.advance(hourMs / 2)
    await expect.poll(paths).toEqual(['auth/jwt/login', 'auth/token/renew-self'])
    expect(vault.calls[1]?.token).toBe(token)
    expect(await source.getToken()).toHaveProperty('token', token)
  })

  it.each([
    { what: 'cannot be renewed', options: { isRenewable: false }, renewed: [] },
    { what: 'was revoked', options: {}, renewed: ['auth/token/renew-self'], revoke: true },
    { what: 'nears its longest life', options: {}, renewed: ['auth/token/renew-self'], lease: 60 },
  ])('is another one, by a new login, when the first $what', async (row) => {
    await serve(row.options)
    const clock = new FakeClock(new Date())
    using source = login({ clock, chance: () => 0 })
    const { token } = await source.getToken()
    await source.getToken()
    if (row.revoke) vault.revokeTokens()
    if (row.lease) {
      const auth = { client_token: token, renewable: true, lease_duration: row.lease }
      vault.instead.push({ status: 200, json: { auth } })
    }
    clock.advance(hourMs / 2)
    await expect.poll(paths).toEqual(['auth/jwt/login', ...row.renewed, 'auth/jwt/login'])
    await expect.poll(async () => (await source.getToken()).token).not.toBe(token)
  })

  it('is not renewed once the workload has no identity any more', async () => {
    await serve()
    const clock = new FakeClock(new Date())
    const errors: unknown[] = []
    const gone = { fetchJwtSvid: () => Promise.reject(new Error('no identity issued')) }
    let svids = scene.svids
    const auth = jwt({
      svids: {
        fetchJwtSvid: (...args: Parameters<typeof svids.fetchJwtSvid>) =>
          svids.fetchJwtSvid(...args),
      },
    })
    using source = login({ auth, clock, chance: () => 0, onError: (error) => errors.push(error) })
    await source.getToken()
    await source.getToken()
    svids = gone
    clock.advance(hourMs / 2)
    await expect.poll(() => errors).toMatchObject([{ code: 'ERR_EXCHANGE_SUBJECT' }])
    expect(paths()).toEqual(['auth/jwt/login'])
  })

  it('is taken back when it is not needed any more', async () => {
    await serve()
    const source = login()
    const { token } = await source.getToken()
    await source.revoke()
    expect(vault.calls.at(-1)).toMatchObject({ path: 'auth/token/revoke-self', token })
    await expect(source.getToken()).rejects.toMatchObject({ code: 'ERR_EXCHANGE_CLOSED' })
    await source.revoke()
    expect(paths()).toHaveLength(2)
  })

  it.each([
    { what: 'for another audience', auth: { audience: `${audience}/` } },
    { what: 'of another issuer', tokens: { claims: { iss: 'https://example.com' } } },
    { what: 'of another subject', tokens: { claims: { sub: 'spiffe://example.org/web' } } },
    { what: 'that somebody else signed', tokens: { header: { kid: 'other' } } },
    { what: 'for another role', auth: { role: 'Web' } },
    { what: 'at another mount', auth: { mount: 'approle' } },
  ])('is refused for one $what, and the error repeats nothing of it', async ({ auth, tokens }) => {
    await serve()
    scene.tokens = tokens ?? {}
    const error = await failureOf({ auth: jwt(auth) })
    expect(error.code).toBe('ERR_EXCHANGE_REFUSED')
    expect(error.message).toBe('Vault answers 400')
  })

  const auth = { client_token: 't', lease_duration: 60, renewable: true }
  it.each([
    { what: 'no login', status: 200, json: {}, code: 'ERR_EXCHANGE_ANSWER' },
    {
      what: 'a token without end',
      status: 200,
      json: { auth: { ...auth, lease_duration: 0 } },
      code: 'ERR_EXCHANGE_ANSWER',
    },
    {
      what: 'a token with a line break',
      status: 200,
      json: { auth: { ...auth, client_token: 'a\r\nb' } },
      code: 'ERR_EXCHANGE_ANSWER',
    },
    {
      what: 'more than is read',
      status: 200,
      json: { auth, more: 'x'.repeat(300_000) },
      code: 'ERR_EXCHANGE_ANSWER',
    },
    { what: 'that another node is active', status: 307, json: {}, code: 'ERR_EXCHANGE_ANSWER' },
    { what: 'that it is sealed', status: 503, json: {}, code: 'ERR_EXCHANGE_UNAVAILABLE' },
  ])('cannot be had when Vault answers $what', async ({ status, json, code }) => {
    await serve()
    vault.instead.push({ status, json })
    expect(await failureOf()).toHaveProperty('code', code)
  })

  it('cannot be had from a Vault whose certificate leads elsewhere', async () => {
    await serve()
    expect(await failureOf({ roots: [new FakeVault().tlsRoot] })).toMatchObject({
      code: 'ERR_EXCHANGE_UNAVAILABLE',
    })
    expect(paths()).toEqual([])
  })

  it.each([
    { address: 'http://vault.example.org' },
    { namespace: '../x' },
    { namespace: 'a\r\nb' },
    { auth: { role: '' } },
    { auth: { mount: '../sys' } },
    { auth: { mount: 'a/../b' } },
  ])('is refused with an option that cannot be: %j', async (options) => {
    await serve()
    const wrong = 'auth' in options ? { auth: jwt(options.auth) } : options
    expect(() => login(wrong)).toThrow(expect.objectContaining({ code: 'ERR_EXCHANGE_OPTION' }))
  })
})

describe('a token of Vault for an X509-SVID', () => {
  const cert = (current: () => X509Svid): VaultLoginOptions['auth'] => ({
    kind: 'cert',
    role: 'web',
    svids: { getX509Svid: current },
  })

  it('comes by the certificate auth method, and its lease is renewed with that certificate', async () => {
    await serve()
    const clock = new FakeClock(new Date())
    const svid = vault.root.issueX509Svid('/web', { ttlSeconds: 86_400 })
    using source = login({ auth: cert(() => svid), clock, chance: () => 0 })
    const { token } = await source.getToken()
    await source.getToken()
    expect(vault.calls[0]).toMatchObject({ path: 'auth/cert/login', body: { name: 'web' } })
    clock.advance(hourMs / 2)
    await expect.poll(paths).toEqual(['auth/cert/login', 'auth/token/renew-self'])
    expect(await source.getToken()).toHaveProperty('token', token)
  })

  it('is another one once the SVID is: Vault renews with the same certificate only', async () => {
    await serve()
    const clock = new FakeClock(new Date())
    let svid = vault.root.issueX509Svid('/web', { ttlSeconds: 86_400 })
    using source = login({ auth: cert(() => svid), clock, chance: () => 0 })
    const { token } = await source.getToken()
    await source.getToken()
    svid = vault.root.issueX509Svid('/web', { ttlSeconds: 86_400 })
    clock.advance(hourMs / 2)
    await expect.poll(paths).toEqual(['auth/cert/login', 'auth/cert/login'])
    await expect.poll(async () => (await source.getToken()).token).not.toBe(token)
  })

  it.each([
    { what: 'of another subject', svid: () => vault.root.issueX509Svid('/web2') },
    { what: 'of another authority', svid: () => scene.ca.issueX509Svid(subject) },
  ])('is refused for one $what', async ({ svid }) => {
    await serve()
    const own = svid()
    expect(await failureOf({ auth: cert(() => own) })).toHaveProperty(
      'code',
      'ERR_EXCHANGE_REFUSED',
    )
  })

  it('is not asked for with an SVID that has ended', async () => {
    await serve()
    const svid = vault.root.issueX509Svid('/web', { ttlSeconds: -1 })
    const error = await failureOf({ auth: cert(() => svid) })
    expect(error).toHaveProperty('code', 'ERR_EXCHANGE_SUBJECT')
    expect(paths()).toEqual([])
  })
})
