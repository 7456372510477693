import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@mini-spire/runtime/clock'
import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { HttpScene, issue } from '@mini-spire/runtime/http/http.test-kit'
import { HttpClient } from '@mini-spire/runtime/http/http-client'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { IssuerKeys } from './issuer-keys.ts'
import { keyFetcher } from './key-source.ts'
import { type IssuerKey, readJwks } from './read-jwks.ts'
import { publicJwk, TokenMint } from './token-mint.test-kit.ts'

const mint = new TokenMint('https://issuer.test')
const known = readJwks(mint.jwks())
const minuteMs = 60_000

describe('keys of an issuer', () => {
  let clock: FakeClock
  let fetches: number
  let answer: () => Promise<ReadonlyMap<string, IssuerKey>>
  let keys: IssuerKeys
  const failures: unknown[] = []
  beforeEach(() => {
    clock = new FakeClock()
    fetches = 0
    failures.length = 0
    answer = async () => known
    const fetch = () => {
      fetches++
      return answer()
    }
    keys = new IssuerKeys({ name: 'ci', fetch, clock, onFailure: (error) => failures.push(error) })
  })

  const unavailable = expect.objectContaining({
    code: 'ERR_EXCHANGE_KEYS_UNAVAILABLE',
    message: 'the keys of issuer ci cannot be had: nobody there',
  })
  const fail = async (): Promise<never> => {
    throw new Error('nobody there')
  }

  it('are fetched when they are needed, once for all who ask at the same time', async () => {
    expect(fetches).toBe(0)
    const found = await Promise.all(Array.from({ length: 50 }, () => keys.find('rsa')))
    expect(found.every((key) => key === known.get('rsa'))).toBe(true)
    expect(fetches).toBe(1)
  })

  it('that are not known are looked for once more, at most every ten seconds', async () => {
    await keys.find('rsa')
    for (let count = 0; count < 100; count++) expect(await keys.find(`x${count}`)).toBeUndefined()
    expect(fetches).toBe(1)
    clock.advance(10_000)
    for (let count = 0; count < 100; count++) expect(await keys.find(`y${count}`)).toBeUndefined()
    expect(fetches).toBe(2)
  })

  it('that are new are found', async () => {
    await keys.find('rsa')
    clock.advance(10_000)
    const added = known.get('rsa')
    answer = async () => new Map([...known, ...(added ? [['new', added] as const] : [])])
    expect(await keys.find('new')).toBe(added)
  })

  it('that are withdrawn are forgotten within ten minutes', async () => {
    await keys.find('rsa')
    answer = async () => new Map()
    clock.advance(10 * minuteMs - 1)
    expect(await keys.find('rsa')).toBeDefined()
    clock.advance(1)
    expect(await keys.find('rsa')).toBeUndefined()
  })

  it('that cannot be fetched anew are used for an hour, and no longer', async () => {
    await keys.find('rsa')
    answer = fail
    clock.advance(60 * minuteMs - 1)
    expect(await keys.find('rsa')).toBeDefined()
    expect(keys.failure).toBe('nobody there')
    clock.advance(minuteMs)
    await expect(keys.find('rsa')).rejects.toThrow(unavailable)
    answer = async () => known
    clock.advance(minuteMs)
    expect(await keys.find('rsa')).toBeDefined()
    expect(keys.failure).toBeUndefined()
  })

  it('that cannot be had are not asked for in a storm', async () => {
    answer = fail
    for (let count = 0; count < 100; count++)
      await expect(keys.find('rsa')).rejects.toThrow(unavailable)
    expect([fetches, failures.length]).toEqual([1, 1])
  })
})

describe('a JWK set', () => {
  it('gives the keys that can verify, each for its own algorithms', () => {
    expect([...known].map(([kid, { algorithms }]) => [kid, algorithms.length])).toEqual([
      ['rsa', 6],
      ['ec', 1],
      ['p384', 1],
    ])
  })

  const rsa = { ...publicJwk(mint.rsa), kid: 'a' }
  const set = (...keys: readonly object[]): string => JSON.stringify({ keys })
  const short = publicJwk(generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey)
  it.each([
    ['for encryption', set({ ...rsa, use: 'enc' })],
    ['for signing by its owner only', set({ ...rsa, key_ops: ['sign'] })],
    ['for another algorithm', set({ ...rsa, alg: 'RSA-OAEP' })],
    ['for HS256', set({ ...rsa, alg: 'HS256' })],
    ['without a name', set(publicJwk(mint.rsa))],
    ['of 1024 bits', set({ ...short, kid: 'a' })],
    ['of another type', set({ kty: 'OKP', crv: 'Ed25519', x: 'AA', kid: 'a' })],
    ['of another curve', set({ kty: 'EC', crv: 'secp256k1', x: 'AA', y: 'AA', kid: 'a' })],
    ['with the name of another', set(rsa, { ...publicJwk(mint.ec), kid: 'a' })],
    ['that comes twice', set(rsa, rsa)],
  ])('has no use for a key %s', (_, text) => {
    expect(readJwks(text).size).toBe(0)
  })

  it.each([
    ['that is no JSON', '{'],
    ['without keys', '{}'],
    ['with an object of keys', '{"keys":{}}'],
    ['with a key that is none', '{"keys":[1]}'],
    ['with a key that is damaged', set({ ...rsa, n: '!' })],
    ['with a name that comes twice', set(rsa).replace('"kid"', '"kid":"b","kid"')],
    [
      'of a hundred keys and one',
      set(...Array.from({ length: 101 }, (_, n) => ({ ...rsa, kid: `${n}` }))),
    ],
    ['of three hundred thousand characters', `${' '.repeat(300_000)}{"keys":[]}`],
  ])('%s is refused', (_, text) => {
    expect(() => readJwks(text)).toThrow()
  })
})

describe('keys are fetched', () => {
  const folder = mkdtempSync(join(tmpdir(), 'issuer-'))
  const scene = new HttpScene()
  // An issuer has five seconds; this one has as long as the machine needs.
  const clock = { ...systemClock, setTimer: () => ({ cancel: () => {} }) }
  const http = new HttpClient({ environment: {}, clock })
  const pages = new Map<
    string,
    { readonly status?: number; readonly text?: string; readonly location?: string }
  >()
  let caFile = ''
  let origin = ''
  beforeAll(async () => {
    const tls = await issue('localhost')
    caFile = join(folder, 'root.pem')
    writeFileSync(caFile, tls.root)
    const server = createServer(tls, (request, response) => {
      const page = pages.get(request.url ?? '')
      const { status = 200, text = '', location } = page ?? { status: 404 }
      response.writeHead(status, location === undefined ? {} : { location }).end(text)
    })
    origin = `https://localhost:${await scene.listen(server)}`
  })
  afterEach(() => pages.clear())
  afterAll(async () => {
    await scene.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const discovering = (issuerUrl = origin, mayLeadTo: readonly `${string}/${number}`[] = []) =>
    keyFetcher({ kind: 'discovery', issuerUrl, caFile, mayLeadTo }, http)()
  const serveDiscovery = (change: object = {}, path = ''): void => {
    const document = { issuer: `${origin}${path}`, jwks_uri: `${origin}/jwks`, ...change }
    pages.set(`${path}/.well-known/openid-configuration`, { text: JSON.stringify(document) })
  }

  it('from a file', async () => {
    const path = join(folder, 'jwks.json')
    writeFileSync(path, mint.jwks())
    expect((await keyFetcher({ kind: 'file', path }, http)()).size).toBe(3)
    writeFileSync(path, ' '.repeat(300_000))
    await expect(keyFetcher({ kind: 'file', path }, http)()).rejects.toThrow('is longer than')
  })

  it('from a URL that the operator names, in our own network too', async () => {
    pages.set('/keys', { text: mint.jwks() })
    const fetch = keyFetcher({ kind: 'url', url: `${origin}/keys`, caFile }, http)
    expect((await fetch()).size).toBe(3)
    await expect(
      keyFetcher({ kind: 'url', url: `${origin}/keys`, caFile: undefined }, http)(),
    ).rejects.toThrow('unable to')
  })

  it.each(['', '/path', '/path/'])('from where the issuer %j says they are', async (path) => {
    const issuerUrl = `${origin}${path}`
    const document = { issuer: issuerUrl, jwks_uri: `${origin}/jwks` }
    const own = path.replace(/\/$/, '')
    pages.set(`${own}/.well-known/openid-configuration`, { text: JSON.stringify(document) })
    pages.set('/jwks', { text: mint.jwks() })
    expect((await discovering(issuerUrl)).size).toBe(3)
  })

  it.each([
    ['is of an issuer with a slash', () => ({ issuer: `${origin}/` }), 'of another issuer'],
    ['is of another issuer', () => ({ issuer: 'https://other.test' }), 'of another issuer'],
    ['is of nobody', () => ({ issuer: undefined }), 'of another issuer'],
    ['names no keys', () => ({ jwks_uri: undefined }), 'names no jwks_uri'],
    ['names keys in the clear', () => ({ jwks_uri: 'http://localhost/jwks' }), 'not an https URL'],
    ['names a file', () => ({ jwks_uri: 'file:///etc/passwd' }), 'not an https URL'],
    [
      'leads to our own machine',
      () => ({ jwks_uri: origin.replace('localhost', '127.0.0.1') }),
      'leads into our own network',
    ],
    [
      'leads to another port of our own machine',
      () => ({ jwks_uri: 'https://localhost:1/jwks' }),
      'leads into our own network',
    ],
    [
      'leads to the metadata of a cloud',
      () => ({ jwks_uri: 'https://169.254.169.254/jwks' }),
      'leads into our own network',
    ],
  ])('never when its discovery document %s [gate 8]', async (_, change, message) => {
    serveDiscovery(change())
    pages.set('/jwks', { text: mint.jwks() })
    await expect(discovering()).rejects.toThrow(message)
  })

  it('in our own network when the operator allows it', async () => {
    serveDiscovery({ jwks_uri: 'https://127.0.0.2:1/jwks' })
    await expect(discovering(origin, ['127.0.0.0/8'])).rejects.toMatchObject({
      code: 'ERR_HTTP_UNREACHABLE',
    })
  })

  it.each([
    ['redirects', { status: 302, location: '/elsewhere' }, 'unexpected status 302 Found'],
    ['says no', { status: 500, text: 'secret of the page' }, 'unexpected status 500'],
    ['is no JSON', { text: 'secret of the page' }, ''],
    ['is larger than it may be', { text: ' '.repeat(300_000) }, 'longer than'],
  ])('never from a page that %s, of which nothing is told [gate 8]', async (_, page, message) => {
    pages.set('/elsewhere', { text: mint.jwks() })
    serveDiscovery()
    pages.set('/jwks', page)
    const error: unknown = await discovering().catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(Error)
    expect(String(error)).toContain(message)
    expect(String(error)).not.toContain('secret')
  })
})
