import { constants, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { parseConfig } from '@mini-spire/runtime/config/parse'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { attestationContext, type FakeAgent } from '../attestation-context.test-kit.ts'
import { type CloudAnswer, FakeCloud } from '../fake-cloud.test-kit.ts'
import { nodeAttestorContract } from '../node-attestor.contract.ts'
import type { NodeAttestation } from '../node-attestor.ts'
import { AzureMsiAttestor } from './azure-msi.ts'
import { type AzureMsiSurroundings, readAzureMsiConfig } from './azure-msi-config.ts'

const clock = new FakeClock()
const nowSeconds = clock.nowMs() / 1000
const at = (seconds: number): number => nowSeconds + seconds
const agentId = 'spiffe://example.org/spire/agent/azure_msi/tenant-1/principal-1'
const keys = {
  rsa: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey,
  p256: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
  p384: generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey,
  p521: generateKeyPairSync('ec', { namedCurve: 'P-521' }).privateKey,
}
const foreign = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
const jwkOf = (kid: string, key: KeyObject): object => {
  const { d, p, q, dp, dq, qi, ...jwk } = key.export({ format: 'jwk' })
  return { kid, use: 'sig', ...jwk }
}
const keySet = {
  keys: [
    { kid: 'odd', kty: 'oct', k: 'AAAA' },
    ...Object.entries(keys).map(([kid, key]) => jwkOf(kid, key)),
    jwkOf('rsa', foreign),
  ],
}

const claims = {
  iss: 'https://sts.windows.net/tenant-1/',
  aud: 'https://management.azure.com/',
  tid: 'tenant-1',
  sub: 'principal-1',
  nbf: at(0),
  iat: at(0),
  exp: at(3600),
}
const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

function signatureOf(alg: string, key: KeyObject, signed: Buffer): Buffer {
  const hash = `sha${alg.slice(2)}`
  if (alg.startsWith('ES')) return sign(hash, signed, { key, dsaEncoding: 'ieee-p1363' })
  if (alg.startsWith('RS')) return sign(hash, signed, key)
  const saltLength = constants.RSA_PSS_SALTLEN_DIGEST
  return sign(hash, signed, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength })
}

function token(change: object = {}, header: object = {}, key: KeyObject = keys.rsa): string {
  const full = { alg: 'RS256', kid: 'rsa', ...header }
  const signed = `${encode(full)}.${encode({ ...claims, ...change })}`
  return `${signed}.${signatureOf(full.alg, key, Buffer.from(signed)).toString('base64url')}`
}
const payloadOf = (text: string): string => JSON.stringify({ token: text })

const login = 'https://login.microsoftonline.com'
const configurationUrl = `${login}/common/.well-known/openid-configuration`
const keysUrl = `${login}/common/discovery/keys`
const tokenUrl = `${login}/tenant-1/oauth2/v2.0/token`
const subscription = 'https://management.azure.com/subscriptions/sub-1'
const listUrl = `${subscription}/resources`
const inGroup = '/subscriptions/sub-1/resourceGroups/group-1/providers'
const machineId = `${inGroup}/Microsoft.Compute/virtualMachines/vm-1`
const cardId = `${inGroup}/Microsoft.Network/networkInterfaces/nic-1`
const machineUrl = `https://management.azure.com${machineId}`
const cardUrl = `https://management.azure.com${cardId}`
const subnetId = `${inGroup}/Microsoft.Network/virtualNetworks/net-1/subnets/subnet-1`
const subnet = { properties: { subnet: { id: subnetId } } }
const card = {
  properties: {
    networkSecurityGroup: { id: `${inGroup}/Microsoft.Network/networkSecurityGroups/nsg-1` },
    ipConfigurations: [subnet, subnet, {}],
  },
}
const machine = {
  properties: { networkProfile: { networkInterfaces: [{ id: cardId }, {}] } },
}

/** What Azure says. */
class FakeAzure extends FakeCloud {
  constructor(changes: Readonly<Record<string, CloudAnswer>> = {}) {
    super({
      [configurationUrl]: { json: { jwks_uri: keysUrl } },
      [keysUrl]: { json: keySet },
      [tokenUrl]: { json: { access_token: 'access', expires_in: 3600 } },
      [listUrl]: { json: { value: [{ id: machineId }] } },
      [machineUrl]: { json: machine },
      [cardUrl]: { json: card },
      ...changes,
    })
  }
}

const application = 'subscription_id = "sub-1" app_id = "app" app_secret = "hush"'
const usualConfig = `tenants = { "tenant-1" = { ${application} } }`

function attestor(
  azure = new FakeAzure(),
  config = usualConfig,
  more: Partial<AzureMsiSurroundings> = {},
): AzureMsiAttestor {
  const surroundings = { http: azure, clock, environment: {}, ...more }
  const options = readAzureMsiConfig(parseConfig(config), surroundings)
  return new AzureMsiAttestor({ ...options, trustDomain: TrustDomain.parse('example.org') })
}

const attest = (payload: string, agent?: FakeAgent): Promise<NodeAttestation> =>
  attestor().attest(Buffer.from(payload), attestationContext(agent))
const once = (sut: AzureMsiAttestor): Promise<NodeAttestation> =>
  sut.attest(Buffer.from(payloadOf(token())), attestationContext())
const error = (code: string, message: string): unknown =>
  expect.objectContaining({ code, message: expect.stringContaining(message) })

const selectorValues = [
  'network-security-group:group-1:nsg-1',
  'subscription-id:sub-1',
  'virtual-network-subnet:group-1:net-1:subnet-1',
  'virtual-network:group-1:net-1',
  'vm-name:group-1:vm-1',
]

nodeAttestorContract({ describe, it, expect }, 'azure_msi', () => ({
  attestor: attestor(),
  payload: Buffer.from(payloadOf(token())),
}))

describe('azure_msi', () => {
  it('attests the machine that has the managed identity of the token', async () => {
    const azure = new FakeAzure()
    expect(await once(attestor(azure))).toEqual({
      agentId,
      selectorValues,
      canReattest: false,
      isTrustedOnFirstUse: true,
    })
    const listed = azure.asked.find(({ url }) => url.startsWith(listUrl))
    expect(new URL(listed?.url ?? '').searchParams.get('$filter')).toBe(
      "resourceType eq 'Microsoft.Compute/virtualMachines' and identity/principalId eq 'principal-1'",
    )
    expect(listed?.headers).toEqual({ authorization: 'Bearer access' })
  })

  it.each([
    ['RS384', 'rsa'],
    ['RS512', 'rsa'],
    ['PS256', 'rsa'],
    ['PS384', 'rsa'],
    ['PS512', 'rsa'],
    ['ES256', 'p256'],
    ['ES384', 'p384'],
    ['ES512', 'p521'],
  ] as const)(
    'takes a token that is signed by %s, and by no other kind of key',
    async (alg, kid) => {
      expect((await attest(payloadOf(token({}, { alg, kid }, keys[kid])))).agentId).toBe(agentId)
      const other = kid === 'rsa' ? 'p256' : 'rsa'
      const mismatched = token({}, { alg, kid: other }, keys[kid])
      await expect(attest(payloadOf(mismatched))).rejects.toThrow('unable to verify token: ')
    },
  )

  it('names the agent by its template', async () => {
    const config = `${usualConfig} agent_path_template = "/x/{{ .PrincipalID }}{{ .Subject }}/{{ .IssuedAt }}/{{ .MSITokenClaims.TenantID }}/{{ eq .Claims.IssuedAt .IssuedAt }}"`
    const { agentId: id } = await once(attestor(new FakeAzure(), config))
    expect(id).toBe(`spiffe://example.org/spire/agent/x/principal-1/${at(0)}/tenant-1/true`)
  })

  it('trusts an identity once, and looks nobody up a second time', async () => {
    const azure = new FakeAzure()
    const attesting = attestor(azure).attest(
      Buffer.from(payloadOf(token({ tid: 'other' }))),
      attestationContext({ attested: [agentId.replace('tenant-1', 'other')] }),
    )
    const text = 'attestation data has already been used to attest an agent'
    await expect(attesting).rejects.toThrow(error('ERR_NODE_EVIDENCE_REFUSED', text))
    expect(azure.asked).toHaveLength(2)
  })

  it.each([
    ['nothing', '', 'missing attestation payload'],
    ['no JSON', 'rubbish', 'failed to unmarshal data payload: invalid JSON'],
    ['a list', '[]', 'failed to unmarshal data payload: '],
    ['a number', '{"token":5}', 'failed to unmarshal data payload: '],
    ['no token', '{}', 'missing token from attestation data'],
    ['a word', payloadOf('x'), 'unable to parse token: compact JWS format must have three parts'],
    ['10 MB', payloadOf('a.'.repeat(5_000_000)), 'unable to parse token: token is too long'],
    [
      'a symmetric signature',
      payloadOf(`${encode({ alg: 'HS256', kid: 'odd' })}.${encode(claims)}.AAAA`),
      'unable to parse token: unexpected signature algorithm',
    ],
    ['no key ID', payloadOf(token({}, { kid: undefined })), 'token missing key id'],
    ['an unknown key', payloadOf(token({}, { kid: 'new' })), 'key id "new" not found'],
    ['a key of no use', payloadOf(token({}, { kid: 'odd' })), 'key id "odd" not found'],
    ['a foreign signature', payloadOf(token({}, {}, foreign)), 'unable to verify token: '],
  ])('cannot read or believe %s', async (_, payload, message) => {
    await expect(attest(payload)).rejects.toThrow(error('ERR_NODE_EVIDENCE_MALFORMED', message))
  })

  it('refuses a tenant that it does not know', async () => {
    await expect(attest(payloadOf(token({ tid: 'other' })))).rejects.toThrow(
      error('ERR_NODE_EVIDENCE_REFUSED', 'tenant "other" is not authorized'),
    )
  })

  const wrong = 'unable to validate token claims: go-jose/go-jose/jwt: validation failed, '
  it.each([
    ['no tenant', { tid: undefined }, 'token missing tenant ID claim'],
    ['no subject', { sub: '' }, 'token missing subject claim'],
    ['a subject that is no path', { sub: 'a/../b' }, 'unable to make agent ID: '],
    ['another audience', { aud: 'https://vault.azure.net/' }, `${wrong}invalid audience claim`],
    ['an old token', { exp: at(-301) }, `${wrong}token is expired (exp)`],
    ['a token without end', { exp: undefined }, `${wrong}token is expired (exp)`],
    ['a token of later', { nbf: at(301) }, `${wrong}token not valid yet (nbf)`],
    ['a future token', { iat: at(301) }, `${wrong}token issued in the future (iat)`],
  ])('refuses a token of Microsoft with %s', async (_, change, message) => {
    await expect(attest(payloadOf(token(change)))).rejects.toThrow(
      error('ERR_NODE_ATTESTOR_FAILED', message),
    )
  })

  it('forgives clocks that are five minutes apart', async () => {
    const change = { exp: at(-300), nbf: at(300), iat: at(300) }
    expect((await attest(payloadOf(token(change)))).agentId).toBe(agentId)
  })

  it('refuses each change of each byte, and repeats nothing of the token', async () => {
    const sut = attestor()
    const whole = token()
    for (let index = 0; index < whole.length; index++) {
      const letter = whole[index] === 'A' ? 'B' : 'A'
      const changed = `${whole.slice(0, index)}${letter}${whole.slice(index + 1)}`
      const refusal = await sut
        .attest(Buffer.from(payloadOf(changed)), attestationContext())
        .catch((one: unknown) => one)
      expect(refusal).toMatchObject({ code: 'ERR_NODE_EVIDENCE_MALFORMED' })
      for (const part of changed.split('.')) {
        if (part.length > 8) expect(String(refusal)).not.toContain(part.slice(0, 8))
      }
    }
  })

  it('refuses a payload that is cut off anywhere', async () => {
    const sut = attestor()
    const whole = payloadOf(token())
    for (let length = 0; length < whole.length; length += 7) {
      const attesting = sut.attest(Buffer.from(whole.slice(0, length)), attestationContext())
      await expect(attesting).rejects.toMatchObject({ code: 'ERR_NODE_EVIDENCE_MALFORMED' })
    }
  })
})

describe('the keys of azure_msi', () => {
  it('are kept for an hour, and for longer when there are no new ones', async () => {
    const azure = new FakeAzure()
    const own = new FakeClock(clock.now())
    const options = readAzureMsiConfig(parseConfig(usualConfig), {
      http: azure,
      clock: own,
      environment: {},
    })
    await options.keys.fetch()
    own.advance(3_599_999)
    await options.keys.fetch()
    expect(azure.count(keysUrl)).toBe(1)
    own.advance(1)
    azure.answers.set(keysUrl, { status: 503 })
    expect((await options.keys.fetch()).has('rsa')).toBe(true)
    azure.answers.set(keysUrl, { json: { keys: [] } })
    expect((await options.keys.fetch()).size).toBe(0)
    expect(azure.count(keysUrl)).toBe(3)
  })

  it('are asked for once by all who ask at the same time', async () => {
    const azure = new FakeAzure()
    const sut = attestor(azure)
    const found = await Promise.all(Array.from({ length: 200 }, () => once(sut)))
    expect(new Set(found.map((one) => one.agentId))).toEqual(new Set([agentId]))
    expect(azure.count(keysUrl)).toBe(1)
  })

  it('are not asked for by rubbish', async () => {
    const azure = new FakeAzure()
    const attesting = attestor(azure).attest(Buffer.from(payloadOf('x')), attestationContext())
    await expect(attesting).rejects.toThrow('unable to parse token')
    expect(azure.asked).toEqual([])
  })

  const what = 'unable to obtain JWKS: '
  it.each([
    [{ [configurationUrl]: { status: 404 } }, `${what}unexpected status code 404`],
    [{ [configurationUrl]: { text: '{' } }, `${what}failed to decode configuration`],
    [{ [configurationUrl]: { json: {} } }, `${what}configuration missing JWKS URI`],
    [
      { [configurationUrl]: { json: { jwks_uri: 'http://x' } } },
      `${what}the JWKS URI is not https`,
    ],
    [{ [keysUrl]: { text: '{' } }, `${what}failed to decode key set`],
  ])('must come: %j', async (answers, message) => {
    await expect(once(attestor(new FakeAzure(answers)))).rejects.toThrow(
      error('ERR_NODE_ATTESTOR_FAILED', message),
    )
  })
})

describe('the machine of azure_msi', () => {
  const prefix = 'unable to get resource for principal "principal-1": '
  const second = `${subscription}/more`
  const withCard = (properties: object): Readonly<Record<string, CloudAnswer>> => ({
    [cardUrl]: { json: { properties } },
  })
  it.each([
    [
      'is not found',
      { [listUrl]: { json: { value: [] } } },
      `${prefix}principal "principal-1" not found`,
    ],
    [
      'is two',
      {
        [listUrl]: { json: { value: [{ id: 'a' }], nextLink: second } },
        [second]: { json: { value: [{}] } },
      },
      `${prefix}expected one result for principal "principal-1" at most`,
    ],
    [
      'has no ID',
      { [listUrl]: { json: { value: [{}] } } },
      `${prefix}virtual machine resource missing ID`,
    ],
    [
      'has another ID',
      { [listUrl]: { json: { value: [{ id: '/x' }] } } },
      'malformed virtual machine ID "/x"',
    ],
    [
      'is listed elsewhere',
      { [listUrl]: { json: { nextLink: 'https://management.azure.com.test/' } } },
      `${prefix}the list of resources goes on at another host`,
    ],
    [
      'is on a list without end',
      { [listUrl]: { json: { nextLink: `${listUrl}?again` } } },
      `${prefix}too many pages of resources`,
    ],
    [
      'cannot be read',
      { [machineUrl]: { status: 403, json: { error: { code: 'Denied', message: 'no' } } } },
      'unable to get virtual machine "group-1:vm-1": error 403: Denied: no',
    ],
    [
      'has a strange interface',
      {
        [machineUrl]: {
          json: { properties: { networkProfile: { networkInterfaces: [{ id: 'x' }] } } },
        },
      },
      'malformed network interface ID "x"',
    ],
    [
      'has an interface that cannot be read',
      { [cardUrl]: { status: 500 } },
      'unable to get network interface "group-1:nic-1": error 500',
    ],
    [
      'has a strange group',
      withCard({ networkSecurityGroup: { id: 'x' } }),
      'malformed network security group ID "x"',
    ],
    [
      'has a strange subnet',
      withCard({ ipConfigurations: [{ properties: { subnet: { id: 'x' } } }] }),
      'malformed virtual network subnet ID "x"',
    ],
  ])('that %s decides nothing', async (_, answers, message) => {
    await expect(once(attestor(new FakeAzure(answers)))).rejects.toThrow(
      error('ERR_NODE_ATTESTOR_FAILED', message),
    )
  })

  it('may have no network, and may be on a later page', async () => {
    const azure = new FakeAzure({
      [listUrl]: { json: { value: [], nextLink: second } },
      [second]: { json: { value: [{ id: machineId }] } },
      [machineUrl]: { json: {} },
    })
    const found = await once(attestor(azure))
    expect(found.selectorValues).toEqual(['subscription-id:sub-1', 'vm-name:group-1:vm-1'])
  })

  it('is asked for by its identity, whatever that holds', async () => {
    const azure = new FakeAzure()
    const config = `${usualConfig} agent_path_template = "/one"`
    const payload = payloadOf(token({ sub: "x' or 'a' eq 'a" }))
    await attestor(azure, config).attest(Buffer.from(payload), attestationContext())
    const listed = azure.asked.find(({ url }) => url.startsWith(listUrl))
    expect(new URL(listed?.url ?? '').searchParams.get('$filter')).toMatch(
      /principalId eq 'x'' or ''a'' eq ''a'$/,
    )
  })
})

describe('the credentials of azure_msi', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'azure-msi-'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  const formOf = (azure: FakeAzure): object => {
    const asked = azure.asked.find(({ url }) => url.startsWith(tokenUrl))
    return Object.fromEntries(new URLSearchParams(String(asked?.body)))
  }
  const scope = 'https://management.azure.com/.default'
  const grant = { grant_type: 'client_credentials', scope }
  const instanceUrl = 'http://169.254.169.254/metadata/instance'
  const machineTokenUrl = 'http://169.254.169.254/metadata/identity/oauth2/token'
  const onAzure = {
    [instanceUrl]: { json: { compute: { subscriptionId: 'sub-1' } } },
    [machineTokenUrl]: { json: { access_token: 'of-machine', expires_in: '3600' } },
  }
  const bare = 'tenants = { "tenant-1" = {} }'

  it('are those of the application, and are used until they are old', async () => {
    const azure = new FakeAzure()
    const own = new FakeClock(clock.now())
    const sut = attestor(azure, usualConfig, { clock: own })
    await once(sut)
    await once(sut)
    expect(formOf(azure)).toEqual({ ...grant, client_id: 'app', client_secret: 'hush' })
    expect(azure.count(tokenUrl)).toBe(1)
    own.advance(3_300_000)
    await once(sut)
    expect(azure.count(tokenUrl)).toBe(2)
  })

  it('are those of the environment where there is no application', async () => {
    const azure = new FakeAzure(onAzure)
    const environment = { AZURE_CLIENT_ID: 'id', AZURE_CLIENT_SECRET: 'word' }
    await once(attestor(azure, bare, { environment }))
    expect(formOf(azure)).toEqual({ ...grant, client_id: 'id', client_secret: 'word' })
  })

  it('are those of a workload identity', async () => {
    const azure = new FakeAzure(onAzure)
    const file = join(folder, 'token')
    const environment = { AZURE_CLIENT_ID: 'id', AZURE_FEDERATED_TOKEN_FILE: file }
    const sut = attestor(azure, bare, { environment })
    await expect(once(sut)).rejects.toThrow(
      `unable to read token file "${file}": open ${file}: no such file or directory`,
    )
    writeFileSync(file, 'root:hush:0')
    const refusal = await once(sut).catch((caught: unknown) => caught)
    expect(String(refusal)).toContain(`unable to parse token file "${file}": compact JWS format`)
    expect(String(refusal)).not.toContain('hush')
    expect(azure.count(tokenUrl)).toBe(0)
    const federated = token()
    writeFileSync(file, `${federated}\n`)
    await once(sut)
    expect(formOf(azure)).toEqual({
      ...grant,
      client_id: 'id',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: federated,
    })
  })

  it('are else the machine’s own, and so is the subscription', async () => {
    const azure = new FakeAzure(onAzure)
    const found = await once(attestor(azure, bare, { environment: { AZURE_CLIENT_ID: 'id' } }))
    expect(found.selectorValues).toEqual(selectorValues)
    const own = azure.asked.filter(({ url }) => url.startsWith('http://169.254.169.254/'))
    expect(own).toMatchObject([
      { headers: { metadata: 'true' }, proxy: 'none' },
      {
        url: `${machineTokenUrl}?api-version=2018-02-01&resource=https%3A%2F%2Fmanagement.azure.com%2F&client_id=id`,
        headers: { metadata: 'true' },
        proxy: 'none',
      },
    ])
  })

  it.each([
    ['no answer', { [tokenUrl]: { status: 401 } }, usualConfig, 'no access token: 401'],
    ['no JSON', { [tokenUrl]: { text: '{hush' } }, usualConfig, 'the answer is not a JSON object'],
    ['no token', { [tokenUrl]: { json: {} } }, usualConfig, 'no access token in the answer'],
    [
      'a token of two headers',
      { [tokenUrl]: { json: { access_token: 'hush\r\nx: y' } } },
      usualConfig,
      'no access token in the answer',
    ],
    ['no subscription', { [instanceUrl]: { json: {} } }, bare, 'missing instance subscription id'],
    ['no machine', { [instanceUrl]: { status: 404 } }, bare, 'unexpected status code 404'],
  ])('cannot be had with %s', async (_, answers, config, message) => {
    const refusal = await once(attestor(new FakeAzure(answers), config)).catch((e: unknown) => e)
    expect(refusal).toEqual(error('ERR_NODE_ATTESTOR_FAILED', message))
    expect(String(refusal)).not.toContain('hush')
  })
})

describe('the configuration of azure_msi', () => {
  const tenant = (keys: string): string => `tenants = { "t" = { ${keys} } }`
  it.each([
    ['', 'configuration must have at least one tenant'],
    [tenant('app_id = "a"'), 'misconfigured tenant "t": missing subscription id'],
    [tenant('subscription_id = "s"'), 'misconfigured tenant "t": missing app id'],
    [tenant('subscription_id = "s" app_id = "a"'), 'misconfigured tenant "t": missing app secret'],
    [`${tenant('')} agent_path_template = "{{"`, 'failed to parse agent path template: "{{"'],
  ])('is refused: %s', (text, message) => {
    expect(() => attestor(new FakeAzure(), text)).toThrow(
      error('ERR_NODE_ATTESTOR_CONFIG', message),
    )
  })

  it('asks nobody, and has an audience for each tenant', async () => {
    const azure = new FakeAzure()
    const config = `tenants = { "tenant-1" = { resource_id = "api://own" ${application} } }`
    const sut = attestor(azure, config)
    expect(azure.asked).toEqual([])
    const payload = payloadOf(token({ aud: 'api://own' }))
    expect(await sut.attest(Buffer.from(payload), attestationContext())).toMatchObject({ agentId })
    await expect(once(sut)).rejects.toThrow('invalid audience claim (aud)')
  })
})
