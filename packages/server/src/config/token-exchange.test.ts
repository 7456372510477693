import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { RootLogger } from '@mini-spire/runtime/log/log-control'
import { silentLogger } from '@mini-spire/runtime/log/logger'
import { afterAll, describe, expect, it } from 'vitest'
import { loadServerConfig } from './load.ts'
import type { TokenExchangeConfig } from './token-exchange-config.ts'

const folder = mkdtempSync(join(tmpdir(), 'token-exchange-'))
const jwksFile = join(folder, 'jwks.json')
writeFileSync(jwksFile, '{}')
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const log: RootLogger = {
  ...silentLogger,
  level: 'info',
  launchLevel: 'info',
  setLevel: () => {},
  reopen: () => {},
}
const flags = {
  bindAddress: '',
  serverPort: 0,
  dataDir: '',
  logFile: '',
  logFormat: '',
  logLevel: '',
  logSourceLocation: false,
  socketPath: '',
  trustDomain: '',
}

async function load(exchange: string): Promise<TokenExchangeConfig | undefined> {
  const path = join(folder, 'server.conf')
  writeFileSync(
    path,
    `server { trust_domain = "example.org" data_dir = "${folder}" ${exchange} }
    plugins { DataStore "level" {} KeyManager "memory" {} }`,
  )
  const { config } = await loadServerConfig({ path, flags, openLog: () => log })
  return config.tokenExchange
}

interface IssuerText {
  readonly name?: string
  readonly url?: string
  readonly audience?: string
  readonly claim?: string
  readonly selectors?: string
  readonly more?: string
}

function issuerText(given: IssuerText = {}): string {
  const {
    name = 'ci',
    url = 'https://issuer.test',
    audience = 'audience = ["aud"]',
    claim = 'claim "owner" { equals = "octo" }',
    selectors = 'selectors { repository = "repository" }',
    more = '',
  } = given
  return `issuer "${name}" { issuer_url = "${url}" ${audience} ${claim} ${selectors} ${more} }`
}
const block = (issuers: string, more = ''): string =>
  `token_exchange { port = 8443 profile { https_spiffe {} } ${issuers} ${more} }`
const loadIssuer = async (given: IssuerText) => (await load(block(issuerText(given))))?.issuers[0]
const loadClaim = async (claim: string) => (await loadIssuer({ claim }))?.rules[0]

describe('token_exchange', () => {
  it('is off unless it is there', async () => {
    expect(await load('')).toBeUndefined()
  })

  it('has defaults for what need not be said', async () => {
    expect(await load(block(issuerText()))).toEqual({
      address: undefined,
      port: 8443,
      profile: { kind: 'https_spiffe' },
      issuers: [
        {
          name: 'ci',
          url: 'https://issuer.test',
          audiences: ['aud'],
          keys: { kind: 'discovery', caFile: undefined, mayLeadTo: [] },
          maxTokenLifetimeMs: 3_600_000,
          maxTokenAgeMs: undefined,
          rules: [
            {
              name: 'owner',
              path: ['owner'],
              match: { kind: 'one-of', values: new Set(['octo']) },
            },
          ],
          selectorType: 'ci',
          selectors: new Map([['repository', ['repository']]]),
        },
      ],
    })
  })

  it('reads everything that can be said', async () => {
    const more = `jwks_url = "https://keys.test/x" ca_file = "${jwksFile}" max_token_lifetime = "24h"
      max_token_age = "10m" selector_type = "github"`
    const selectors = 'selectors { ns = "/kubernetes.io/namespace" "a.b" = "sub" }'
    expect(await loadIssuer({ more, selectors })).toMatchObject({
      keys: { kind: 'url', url: 'https://keys.test/x', caFile: jwksFile },
      maxTokenLifetimeMs: 86_400_000,
      maxTokenAgeMs: 600_000,
      selectorType: 'github',
      selectors: new Map([
        ['ns', ['kubernetes.io', 'namespace']],
        ['a.b', ['sub']],
      ]),
    })
    const file = await loadIssuer({ more: `jwks_file = "${jwksFile}"` })
    expect(file?.keys).toEqual({ kind: 'file', path: jwksFile })
    const led = await loadIssuer({ more: 'jwks_may_lead_to = ["10.0.0.0/8"]' })
    expect(led?.keys).toMatchObject({ mayLeadTo: ['10.0.0.0/8'] })
  })

  it('keeps the certificates of its own apart from the bundle endpoint’s', async () => {
    const acme = 'acme { domain_name = "x.test" email = "a@x.test" tos_accepted = true }'
    const web = `token_exchange { port = 1 address = "127.0.0.1" profile { https_web { ${acme} } } ${issuerText()} }`
    expect(await load(web)).toMatchObject({
      address: '127.0.0.1',
      profile: { kind: 'https_web', acme: { cacheDirectory: join(folder, 'exchange-acme') } },
    })
  })

  it.each([
    ['token_exchange {}', 'token_exchange.port must be configured, from 1 to 65535'],
    ['token_exchange { port = 70000 }', 'token_exchange.port must be configured'],
    ['token_exchange { port = 1 }', 'token_exchange.profile must be configured'],
    [
      'token_exchange { port = 1 address = "localhost" }',
      'token_exchange.address: "localhost" is not an IP address',
    ],
    [block(''), 'token_exchange needs at least one issuer'],
    [
      block(issuerText() + issuerText({ name: 'other' })),
      'token_exchange: two issuers have the issuer_url "https://issuer.test"',
    ],
    ['token_exchange { port = 1 profile { other {} } issuer "x" {} }', 'issuer_url must be'],
  ])('is refused: %s', async (text, message) => {
    await expect(load(text)).rejects.toThrow(message)
  })

  it.each<readonly [IssuerText, string]>([
    [{ name: 'a/b' }, 'the name cannot be part of a SPIFFE ID'],
    [{ name: '..' }, 'the name cannot be part of a SPIFFE ID'],
    [{ name: 'a b' }, 'the name cannot be part of a SPIFFE ID'],
    [{ url: '' }, 'issuer_url must be configured'],
    [{ url: 'http://issuer.test' }, 'is not an https URL'],
    [{ url: 'HTTPS://issuer.test' }, 'is not an https URL'],
    [{ url: 'https://user@issuer.test' }, 'is not an https URL'],
    [{ url: 'https://issuer.test?' }, 'is not an https URL'],
    [{ url: 'https://issuer.test/#x' }, 'is not an https URL'],
    [{ audience: '' }, 'audience must be configured'],
    [{ audience: 'audience = [""]' }, 'audience must be configured'],
    [{ claim: '' }, 'needs at least one claim rule'],
    [{ selectors: '' }, 'selectors must be configured'],
    [{ selectors: 'selectors { "a:b" = "c" }' }, '"a:b" is not the name of a selector'],
    [{ selectors: 'selectors { a = "/" }' }, '"/" is neither a claim nor a JSON Pointer to one'],
    [{ more: 'selector_type = "a:b"' }, 'selector_type must not contain ":"'],
    [{ more: 'max_token_lifetime = "25h"' }, '"25h" is not between 0 and 24h'],
    [{ more: 'max_token_lifetime = "0s"' }, '"0s" is not between 0 and 24h'],
    [{ more: 'max_token_age = "-1s"' }, '"-1s" is not between 0 and 24h'],
    [{ more: 'max_token_age = "1"' }, 'time: missing unit in duration "1"'],
    [{ more: 'jwks_url = "https://a.test" jwks_file = "x"' }, 'but not both'],
    [{ more: 'jwks_url = "http://a.test"' }, 'is not an https URL'],
    [{ more: 'jwks_file = "/nowhere/x"' }, 'open /nowhere/x: no such file or directory'],
    [{ more: 'ca_file = "/nowhere/x"' }, 'open /nowhere/x: no such file or directory'],
    [
      { more: `jwks_file = "${jwksFile}" ca_file = "${jwksFile}"` },
      'ca_file is for keys that are fetched',
    ],
    [{ more: 'jwks_may_lead_to = ["10.0.0.0"]' }, 'jwks_may_lead_to: "10.0.0.0" is not a network'],
    [
      { more: 'jwks_url = "https://a.test" jwks_may_lead_to = ["10.0.0.0/8"]' },
      'jwks_may_lead_to is for keys that are discovered',
    ],
  ])('refuses an issuer: %j', async (given, message) => {
    await expect(loadIssuer(given)).rejects.toThrow(message)
  })

  it('reads rules for claims', async () => {
    const match = async (text: string) => (await loadClaim(`claim "c" { ${text} }`))?.match
    expect(await match('')).toEqual({ kind: 'present' })
    expect(await match('one_of = ["a", "b"]')).toEqual({
      kind: 'one-of',
      values: new Set(['a', 'b']),
    })
    expect(await match('prefix = "octo/"')).toEqual({ kind: 'prefix', prefix: 'octo/' })
    expect(await match('glob = "octo/*"')).toMatchObject({
      kind: 'glob',
      glob: { pattern: 'octo/*' },
    })
    expect(await loadClaim('claim "/a/b" {}')).toMatchObject({ name: '/a/b', path: ['a', 'b'] })
  })

  it.each([
    [
      'claim "c" { equals = "a" glob = "b" }',
      'only one of equals, one_of, prefix and glob can be set',
    ],
    ['claim "c" { equals = "" }', 'an empty text is no claim'],
    ['claim "c" { one_of = ["a", ""] }', 'an empty text is no claim'],
    ['claim "c" { prefix = "octo/app" }', '"octo/app" does not end in / : @ or #'],
    ['claim "c" { prefix = "" }', 'does not end in'],
    ['claim "c" { glob = "a***" }', '"a***" is not a pattern'],
    ['claim "aud" { equals = "a" }', 'this claim is checked by other keys'],
    ['claim "iss" {}', 'this claim is checked by other keys'],
    ['claim "/a/" {}', 'is neither a claim nor a JSON Pointer to one'],
  ])('refuses a rule: %s', async (claim, message) => {
    await expect(loadClaim(claim)).rejects.toThrow(message)
  })

  it.each([
    block(issuerText(), 'porrt = 1'),
    block(issuerText({ more: 'audiance = ["x"]' })),
    block(issuerText({ more: '"claims" = 1' })),
    block(issuerText({ claim: 'claim "c" { equal = "a" }' })),
  ])('refuses a key that it does not know, wherever it stands: %s', async (text) => {
    await expect(load(text)).rejects.toMatchObject({ code: 'ERR_CONFIG_UNKNOWN_KEY' })
  })
})
