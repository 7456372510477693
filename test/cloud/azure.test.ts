import {
  AzureAssertions,
  type AzureAssertionsOptions,
  createAzureCredential,
} from '@mini-spire/sdk/azure'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { FakeEntra } from '../kit/fake-entra.ts'
import { TokenScene } from '../kit/token-scene.ts'

const tenantId = '11111111-2222-3333-4444-555555555555'
const clientId = '66666666-7777-8888-9999-000000000000'
const scope = 'https://storage.azure.com/.default'
let scene: TokenScene
let entra: FakeEntra

beforeAll(async () => {
  scene = await TokenScene.start()
})
afterAll(() => scene[Symbol.asyncDispose]())
beforeEach(async () => {
  scene.tokens = {}
  const policy = scene.policy('api://AzureADTokenExchange')
  entra = await FakeEntra.start({ tenantId, clientId, policy })
})
afterEach(() => entra[Symbol.asyncDispose]())

const assertionsOf = (options: Partial<AzureAssertionsOptions> = {}): AzureAssertions =>
  new AzureAssertions({ svids: scene.svids, ...options })

async function credentialOf(assertions: AzureAssertions) {
  const options = {
    authorityHost: entra.authority,
    disableInstanceDiscovery: true,
    tlsOptions: { ca: entra.tlsRoot },
    retryOptions: { maxRetries: 0 },
  }
  return await createAzureCredential({ assertions, tenantId, clientId, options })
}

describe("@azure/identity's credential", () => {
  it('has an access token for a JWT-SVID whose keys were fetched', async () => {
    using assertions = assertionsOf()
    const before = scene.discovery.keyFetches
    const credential = await credentialOf(assertions)
    expect(await credential.getToken(scope)).toMatchObject({ token: 'azure-token' })
    expect(scene.discovery.keyFetches).toBe(before + 1)
    expect(entra.seen[0]?.get('client_assertion')).toBe(scene.handedOut.at(-1))
    expect(entra.seen[0]?.get('scope')).toContain(scope)
    await credential.getToken(scope)
    expect(entra.seen).toHaveLength(1)
  })

  it.each([
    {
      what: 'for another audience',
      options: { audience: 'api://azureadtokenexchange' },
      why: 'audience',
    },
    {
      what: 'of another issuer',
      tokens: { claims: { iss: 'https://example.com' } },
      why: 'issuer',
    },
    {
      what: 'of another subject',
      tokens: { claims: { sub: 'spiffe://example.org/web/db2' } },
      why: 'subject',
    },
    { what: 'that somebody else signed', tokens: { header: { kid: 'other' } }, why: 'signature' },
  ])('is refused with a token $what', async ({ options, tokens = {}, why }) => {
    scene.tokens = tokens
    using assertions = assertionsOf(options)
    const credential = await credentialOf(assertions)
    const failed = await credential.getToken(scope).catch((thrown: unknown) => thrown)
    expect((failed as Error).message).toContain(`AADSTS700213: ${why}`)
    expect((failed as Error).message).not.toContain(scene.handedOut.at(-1))
  })

  it('sends no token that has ended, and says why', async () => {
    scene.tokens = { ttlSeconds: -1 }
    using assertions = assertionsOf()
    const credential = await credentialOf(assertions)
    await expect(credential.getToken(scope)).rejects.toThrow('the JWT-SVID has ended')
    expect(entra.seen).toHaveLength(0)
  })

  it('is refused with what is no tenant or application', async () => {
    using assertions = assertionsOf()
    for (const wrong of [{ tenantId: 'a/b' }, { clientId: '' }])
      await expect(
        createAzureCredential({ assertions, tenantId, clientId, ...wrong }),
      ).rejects.toMatchObject({ code: 'ERR_EXCHANGE_OPTION' })
  })
})

describe('assertions for Azure', () => {
  it('are one JWT-SVID for all who ask, and none once closed', async () => {
    const assertions = assertionsOf()
    const before = scene.handedOut.length
    const all = await Promise.all([1, 2, 3].map(() => assertions.getAssertion()))
    expect(new Set(all).size).toBe(1)
    expect(scene.handedOut).toHaveLength(before + 1)
    assertions.close()
    await expect(assertions.getAssertion()).rejects.toMatchObject({ code: 'ERR_EXCHANGE_CLOSED' })
  })
})
