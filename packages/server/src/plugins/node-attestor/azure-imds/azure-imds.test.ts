import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { parseConfig } from '@mini-spire/runtime/config/parse'
import type { HttpRequest } from '@mini-spire/runtime/http/http-client'
import { sweepStep } from '@mini-spire/runtime/sweep.test-kit'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import {
  attestedContent,
  makeSignedData,
  TestAzureChain,
  testIssuerUrl,
} from '@mini-spire/sdk/testing/platforms'
import { pemEncode } from '@mini-spire/sdk/x509'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { attestationContext, type FakeAgent } from '../attestation-context.test-kit.ts'
import { type CloudAnswer, FakeCloud } from '../fake-cloud.test-kit.ts'
import { nodeAttestorContract } from '../node-attestor.contract.ts'
import type { NodeAttestation } from '../node-attestor.ts'
import { NodeAttestorError } from '../node-attestor-error.ts'
import { AzureImdsAttestor } from './azure-imds.ts'
import { readAzureImdsConfig } from './azure-imds-config.ts'
import { microsoftRoots } from './microsoft-roots.data.ts'

const clock = new FakeClock()
const now = clock.now()
const vmId = '4c4c4544-0052-3310-8051-b4c04f4e3633'
const agentId = `spiffe://example.org/spire/agent/azure_imds/tenant-1/sub-1/${vmId}`
const chain = new TestAzureChain({ now })
const foreign = new TestAzureChain({ now })
const domain = 'example.onmicrosoft.com'

const login = 'https://login.microsoftonline.com'
const tenantUrl = `${login}/${domain}/.well-known/openid-configuration`
const tokenUrl = `${login}/tenant-1/oauth2/v2.0/token`
const graphUrl = 'https://management.azure.com/providers/Microsoft.ResourceGraph/resources'
const inGroup = '/subscriptions/sub-1/resourceGroups/group-1/providers'
const setUrl = `https://management.azure.com${inGroup}/Microsoft.Compute/virtualMachineScaleSets/set-1/virtualMachines`
const network = `${inGroup}/Microsoft.Network`
const subnet = {
  properties: { subnet: { id: `${network}/virtualNetworks/net-1/subnets/subnet-1` } },
}
const cardProperties = {
  networkSecurityGroup: { id: `${network}/networkSecurityGroups/nsg-1` },
  ipConfigurations: [subnet, subnet, {}],
}
const tags = { env: 'prod', secret: 'x' }
const machine = {
  id: `${inGroup}/Microsoft.Compute/virtualMachines/vm-1`,
  name: 'vm-1',
  location: 'westeurope',
  tags,
  resourceGroup: 'group-1',
}
const instance = {
  name: 'set-1_0',
  location: 'westeurope',
  tags,
  properties: {
    vmId,
    networkProfileConfiguration: {
      networkInterfaceConfigurations: [{ name: 'nic-1', properties: cardProperties }],
    },
  },
}
const isAbout = ({ body }: HttpRequest, type: string): boolean =>
  JSON.parse(String(body)).query.includes(`'microsoft.${type}'`)
const records = (...data: readonly unknown[]): CloudAnswer => ({
  json: { totalRecords: data.length, data },
})

type Graph = Readonly<Record<'machines' | 'cards' | 'sets', CloudAnswer>>
type Answers = Readonly<Record<string, CloudAnswer>>

/** What Azure says. */
class FakeAzure extends FakeCloud {
  constructor(changes: Answers = {}, graph: Partial<Graph> = {}) {
    const found: Graph = {
      machines: records(machine),
      cards: records({ properties: cardProperties }, { properties: {} }),
      sets: records({ name: 'set-1', resourceGroup: 'group-1' }),
      ...graph,
    }
    super({
      [testIssuerUrl]: { body: chain.issuer.certificate },
      [tenantUrl]: { json: { issuer: 'https://sts.windows.net/tenant-1/' } },
      [tokenUrl]: { json: { access_token: 'access', expires_in: 3600 } },
      [graphUrl]: (request) => {
        if (isAbout(request, 'compute/virtualmachines')) return found.machines
        return isAbout(request, 'network/networkinterfaces') ? found.cards : found.sets
      },
      [setUrl]: { json: { value: [{}, { properties: { vmId: 'other' } }, instance] } },
      ...changes,
    })
  }
}

const application = 'secret_auth = { app_id = "app" app_secret = "hush" }'
const usualConfig = `tenants = { "${domain}" = { ${application} allowed_vm_tags = ["env", "absent"] } }`

interface Sut {
  readonly azure?: FakeCloud
  readonly config?: string
  readonly roots?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly clock?: FakeClock
}

function attestor(sut: Sut = {}): AzureImdsAttestor {
  const { azure = new FakeAzure(), config = usualConfig, roots = [chain.rootPem] } = sut
  const surroundings = {
    http: azure,
    clock: sut.clock ?? clock,
    environment: sut.environment ?? {},
  }
  const options = readAzureImdsConfig(parseConfig(config), { ...surroundings, roots })
  return new AzureImdsAttestor({ ...options, trustDomain: TrustDomain.parse('example.org') })
}

interface Answer {
  /** What the agent shows for a nonce. */
  readonly document?: (nonce: string) => Uint8Array
  readonly content?: object
  readonly agentDomain?: string
  readonly vmssName?: string | null
}

const contentFor = (nonce: string, changes: object = {}): object => ({
  ...attestedContent({ nonce, subscriptionId: 'sub-1', vmId }),
  ...changes,
})

function response(nonce: string, answer: Answer = {}): Buffer {
  const { document = (one) => chain.sign(contentFor(one, answer.content)) } = answer
  const signature = Buffer.from(document(nonce)).toString('base64')
  const { agentDomain = domain, vmssName = null } = answer
  const metadata = { agentDomain, vmssName }
  return Buffer.from(JSON.stringify({ document: { encoding: 'pkcs7', signature }, metadata }))
}

const agentOf = (answer: Answer): FakeAgent => ({
  answer: (challenge) => response(Buffer.from(challenge).toString(), answer),
})
const run = (sut: AzureImdsAttestor, agent: FakeAgent): Promise<NodeAttestation> =>
  sut.attest(Buffer.from('non_empty_payload'), attestationContext(agent))
const attest = (answer: Answer = {}, sut: Sut = {}): Promise<NodeAttestation> =>
  run(attestor(sut), agentOf(answer))
const error = (code: string, message: string): unknown =>
  expect.objectContaining({ code, message: expect.stringContaining(message) })

const selectorValues = [
  'network-security-group:group-1:nsg-1',
  'resource-group:group-1',
  'subscription-id:sub-1',
  'virtual-network-subnet:net-1:subnet-1',
  'virtual-network:net-1',
  'vm-location:westeurope',
  'vm-name:vm-1',
  'vm-tag:env:prod',
]

nodeAttestorContract({ describe, it, expect }, 'azure_imds', () => ({
  attestor: attestor(),
  payload: Buffer.from('non_empty_payload'),
  answer: (challenge) => response(Buffer.from(challenge).toString()),
  empty: 'payload',
}))

describe('azure_imds', () => {
  it('attests the machine that the document names', async () => {
    const azure = new FakeAzure()
    expect(await attest({}, { azure })).toEqual({
      agentId,
      selectorValues,
      canReattest: false,
      isTrustedOnFirstUse: true,
    })
    const [first, second] = azure.asked
      .filter(({ url }) => url.startsWith(graphUrl))
      .map(({ body }) => JSON.parse(String(body)))
    expect(first).toMatchObject({
      subscriptions: ['sub-1'],
      query: expect.stringContaining(`properties.vmId == '${vmId}'`),
      options: { resultFormat: 'objectArray' },
    })
    expect(second.query).toContain(`tolower('${machine.id}')`)
    const asked = azure.asked.find(({ url }) => url.startsWith(graphUrl))
    expect(asked?.headers).toMatchObject({ authorization: 'Bearer access' })
  })

  it('attests an instance of a scale set', async () => {
    const { agentId: id, selectorValues: found } = await attest({ vmssName: 'set-1' })
    const expected = selectorValues.map((one) => (one === 'vm-name:vm-1' ? 'vm-name:set-1_0' : one))
    expect(id).toBe(agentId)
    expect(found).toEqual([...expected, 'vmss-name:set-1'])
  })

  it('gives each agent another nonce of 32 letters and digits', async () => {
    const nonces = new Set<string>()
    const sut = attestor()
    for (let round = 0; round < 20; round++) {
      await run(sut, {
        answer: (challenge) => {
          nonces.add(Buffer.from(challenge).toString())
          return response(Buffer.from(challenge).toString())
        },
      })
    }
    expect(nonces.size).toBe(20)
    for (const nonce of nonces) expect(nonce).toMatch(/^[A-Za-z0-9]{32}$/)
  })

  it('names the agent by its template', async () => {
    const fields =
      '{{ .AttestedDocumentContent.VMID }}/{{ .SubscriptionID }}/{{ .TenantID }}/{{ .PluginName }}'
    const config = `${usualConfig} agent_path_template = "/x/${fields}"`
    const { agentId: id } = await attest({}, { config })
    expect(id).toBe(`spiffe://example.org/spire/agent/x/${vmId}/sub-1/tenant-1/azure_imds`)
  })

  it('trusts a machine once, and looks nobody up a second time', async () => {
    const azure = new FakeAzure()
    const second = run(attestor({ azure }), { ...agentOf({}), attested: [agentId] })
    const text = 'attestation data has already been used to attest an agent'
    await expect(second).rejects.toThrow(error('ERR_NODE_EVIDENCE_REFUSED', text))
    expect(azure.count(graphUrl) + azure.count(tokenUrl)).toBe(0)
  })

  it('gives 200 agents that show one machine at once the same ID, which counts once', async () => {
    const azure = new FakeAzure()
    const sut = attestor({ azure })
    const found = await Promise.all(Array.from({ length: 200 }, () => run(sut, agentOf({}))))
    expect(new Set(found.map((one) => one.agentId))).toEqual(new Set([agentId]))
    expect(found.every((one) => one.isTrustedOnFirstUse)).toBe(true)
    expect(azure.count(testIssuerUrl)).toBe(1)
  })

  const unreadable = 'failed to unmarshal data payload: '
  it.each([
    ['nothing', '', 'missing attestation payload'],
    ['no JSON', 'rubbish', `${unreadable}invalid JSON`],
    ['a list', '[]', unreadable],
    ['a number for a document', '{"document":5}', unreadable],
    ['10 MB', 'a'.repeat(10_000_000), `${unreadable}it is too long`],
    ['no document', '{}', 'failed to validate attested document: missing signature'],
  ])('cannot read %s', async (_, answer, message) => {
    const attesting = run(attestor(), { answer: () => Buffer.from(answer) })
    await expect(attesting).rejects.toThrow(error('ERR_NODE_EVIDENCE_MALFORMED', message))
  })

  it.each([
    ['another nonce', { nonce: 'other' }, 'nonce mismatch'],
    ['no nonce', { nonce: undefined }, 'nonce mismatch'],
    ['no machine', { vmId: '' }, 'missing VM ID in attested document'],
    ['no subscription', { subscriptionId: null }, 'missing subscription ID in attested document'],
    ['a machine that is no UUID', { vmId: `${vmId}'` }, 'invalid VM ID: invalid UUID format'],
    ['a machine that is a path', { vmId: '../x' }, 'invalid VM ID: invalid UUID format'],
  ])('refuses a document with %s', async (_, content, message) => {
    await expect(attest({ content })).rejects.toThrow(error('ERR_NODE_EVIDENCE_MALFORMED', message))
  })

  it('refuses a document that was shown before', async () => {
    const old = response('a'.repeat(32))
    await expect(run(attestor(), { answer: () => old })).rejects.toThrow('nonce mismatch')
  })

  const refusals: readonly (readonly [string, Answer, string])[] = [
    [
      'a tenant that it does not know',
      { agentDomain: 'other' },
      'tenant "other" is not authorized',
    ],
    ['no tenant', { agentDomain: '' }, 'tenant "" is not authorized'],
    [
      'a tenant of 10,000 letters',
      { agentDomain: 'a'.repeat(10_000) },
      `tenant "${'a'.repeat(253)}" is not authorized`,
    ],
    [
      'a subscription that is not allowed',
      { content: { subscriptionId: 'sub-2' } },
      'subscription "sub-2" is not authorized',
    ],
  ]
  it.each(refusals)('refuses %s', async (_, answer, message) => {
    const config = `tenants = { "${domain}" = { ${application} restrict_to_subscriptions = [" sub-1 "] } }`
    const azure = new FakeAzure()
    const refusal = {
      ...answer,
      agentDomain: answer.agentDomain === null ? '' : answer.agentDomain,
    }
    await expect(attest(refusal as Answer, { config, azure })).rejects.toThrow(
      error('ERR_NODE_EVIDENCE_REFUSED', message),
    )
    expect(azure.count('https://')).toBe(0)
  })
})

const invalid = 'failed to validate attested document: '

describe('the document of azure_imds', () => {
  const badChain = (options: object) => {
    const made = new TestAzureChain({ now, signerKey: chain.signer.privateKey, ...options })
    const azure = new FakeAzure({ [testIssuerUrl]: { body: made.issuer.certificate } })
    return { made, azure }
  }

  it('may have its signer anywhere in the bag, and others beside it', async () => {
    const bag = [foreign.signer, chain.signer, chain.issuer, chain.root].map(
      ({ certificate }) => certificate,
    )
    for (const certificates of [bag, bag.toReversed()]) {
      const document = (nonce: string): Uint8Array =>
        chain.sign(contentFor(nonce), {}, { certificates })
      expect(await attest({ document })).toMatchObject({ agentId, selectorValues })
    }
  })

  it('is not believed for a good certificate that did not sign it', async () => {
    const { certificate } = chain.signer
    const document = (nonce: string): Uint8Array =>
      foreign.sign(
        contentFor(nonce),
        {},
        { certificates: [certificate, foreign.signer.certificate] },
      )
    await expect(attest({ document })).rejects.toThrow(
      error('ERR_NODE_EVIDENCE_MALFORMED', `${invalid}certificate chain validation failed: `),
    )
    const named = (nonce: string): Uint8Array =>
      makeSignedData({
        content: Buffer.from(JSON.stringify(contentFor(nonce))),
        signers: [{ certificate, privateKey: foreign.signer.privateKey }],
      })
    await expect(attest({ document: named })).rejects.toThrow(
      `${invalid}signature verification failed: the signature is wrong`,
    )
  })

  it('has one signer', async () => {
    const signers = [chain.signer, foreign.signer]
    for (const two of [signers, signers.toReversed()]) {
      const document = (nonce: string): Uint8Array =>
        chain.sign(contentFor(nonce), {}, { signers: two })
      await expect(attest({ document })).rejects.toThrow(
        `${invalid}expected exactly one signer certificate in PKCS7 signature`,
      )
    }
  })

  it.each([
    ['no certificates', { certificates: [] }, 'no certificates found in PKCS7 signature'],
    [
      'the certificate of another',
      { certificates: [foreign.issuer.certificate] },
      'expected exactly one signer certificate in PKCS7 signature',
    ],
    ['no content', { isDetached: true }, 'signature verification failed: it holds no data'],
    ['no JSON', { content: Buffer.from('hush') }, 'signature verification failed: '],
  ])('is refused with %s', async (_, changes, message) => {
    const document = (nonce: string): Uint8Array =>
      chain.sign(contentFor(nonce), { signed: Buffer.from('x') }, changes)
    await expect(attest({ document })).rejects.toThrow(
      error('ERR_NODE_EVIDENCE_MALFORMED', `${invalid}${message}`),
    )
  })

  it('is JSON, and its reason repeats nothing of it', async () => {
    const document = (): Uint8Array => chain.sign(Buffer.from('{"hush'))
    await expect(attest({ document })).rejects.toThrow(
      `${invalid}failed to unmarshal attested document payload: invalid JSON`,
    )
  })

  const later = new Date(+now + 86_400_000)
  const earlier = new Date(+now - 3_600_000)
  const client = ['1.3.6.1.5.5.7.3.2']
  const chainProblem = 'certificate chain validation failed: '
  const badIssuer = `${chainProblem}certificate chain validation failed: x509: certificate signed by unknown`
  it.each([
    ['no name', { dnsNames: [] }, 'signing certificate validation failed: certificate does not'],
    ['another name', { dnsNames: ['metadata.azure.com.evil.test'] }, 'signing certificate valid'],
    ['a name that ends so', { dnsNames: ['evilmetadata.azure.com'] }, 'signing certificate valid'],
    [
      'an expired signer',
      { signer: { notAfter: earlier } },
      `${chainProblem}${chainProblem}x509: `,
    ],
    ['a signer of later', { signer: { notBefore: later } }, `${chainProblem}${chainProblem}x509: `],
    ['an expired issuer', { issuer: { notAfter: earlier } }, badIssuer],
    ['an issuer that is no CA', { issuer: { isCa: false } }, badIssuer],
    ['an issuer for signing data', { issuer: { keyUsage: ['digitalSignature'] } }, badIssuer],
    [
      'a signer for clients',
      { signer: { extKeyUsage: client } },
      'x509: certificate specifies an incompatible key usage',
    ],
    [
      'an issuer for clients',
      { issuer: { extKeyUsage: client } },
      'x509: certificate specifies an incompatible key usage',
    ],
    [
      'a signer of another key',
      { signedBy: foreign.signer.privateKey },
      `${chainProblem}signing certificate was not issued by intermediate certificate: `,
    ],
  ])('is refused for %s', async (_, options, message) => {
    const { made, azure } = badChain(options)
    const document = (nonce: string): Uint8Array => made.sign(contentFor(nonce))
    await expect(attest({ document }, { azure, roots: [made.rootPem] })).rejects.toThrow(
      error(
        'ERR_NODE_EVIDENCE_MALFORMED',
        `${invalid}${message.startsWith('x509') ? '' : message}`,
      ),
    )
    await expect(attest({ document }, { azure, roots: [made.rootPem] })).rejects.toThrow(message)
  })

  it('is refused for a chain that leads to a root of its own', async () => {
    const { made, azure } = badChain({})
    const document = (nonce: string): Uint8Array => made.sign(contentFor(nonce))
    await expect(attest({ document }, { azure })).rejects.toThrow(
      `${invalid}${badIssuer} authority`,
    )
    expect(await attest({ document }, { azure, roots: [made.rootPem] })).toMatchObject({ agentId })
  })

  it('may be of a cloud whose domain is allowed, and of no other then', async () => {
    const config = `${usualConfig} allowed_metadata_domains = ["metadata.azure.us"]`
    await expect(attest({}, { config })).rejects.toThrow('signing certificate validation failed')
    const { made, azure } = badChain({ dnsNames: ['usgovvirginia.metadata.azure.us'] })
    const document = (nonce: string): Uint8Array => made.sign(contentFor(nonce))
    const sut = { config, azure, roots: [made.rootPem] }
    expect(await attest({ document }, sut)).toMatchObject({ agentId })
  })

  const fetched = 'failed to get intermediate certificate: '
  it.each([
    ['nowhere', [], 'failed to extract CA Issuers URL: no CA Issuers URL found in certificate'],
    ['at no URL', ['::'], 'failed to extract CA Issuers URL: failed to parse CA Issuers URL'],
    [
      'elsewhere',
      ['http://evil.test/x'],
      'CA Issuers URL host "evil.test" does not match expected',
    ],
    ['at another port', ['http://www.microsoft.com:81/x'], 'CA Issuers URL host '],
    ['below it', ['http://www.microsoft.com.evil.test/'], 'CA Issuers URL host '],
    ['with a password', ['http://a:b@www.microsoft.com/x'], 'CA Issuers URL is not a plain http'],
    ['in a file', ['ftp://www.microsoft.com/x'], 'CA Issuers URL is not a plain http'],
    ['at the metadata service', ['http://169.254.169.254/'], 'CA Issuers URL host '],
  ])('asks nobody when its issuer is %s', async (_, issuerUrls, message) => {
    const { made, azure } = badChain({ issuerUrls })
    const document = (nonce: string): Uint8Array => made.sign(contentFor(nonce))
    await expect(attest({ document }, { azure, roots: [made.rootPem] })).rejects.toThrow(
      error('ERR_NODE_EVIDENCE_MALFORMED', `${invalid}${fetched}${message}`),
    )
    expect(azure.asked).toEqual([])
  })

  it('asks nobody for the issuer of a document that is not signed by its signer', async () => {
    const azure = new FakeAzure()
    const document = (nonce: string): Uint8Array =>
      chain.sign(contentFor(nonce), { privateKey: foreign.signer.privateKey })
    await expect(attest({ document }, { azure })).rejects.toThrow('signature verification failed')
    expect(azure.asked).toEqual([])
  })

  it.each([
    [{ status: 404 }, 'failed to fetch intermediate certificate, status: 404'],
    [{ status: 302 }, 'failed to fetch intermediate certificate, status: 302'],
    [{ text: '' }, 'failed to parse intermediate certificate: '],
    [{ text: 'a page' }, 'failed to parse intermediate certificate: '],
    [{ text: '-----BEGIN x-----\nAAAA\n-----END x-----' }, 'failed to decode intermediate'],
    [{ text: '-----BEGIN x' }, 'failed to parse intermediate certificate: '],
  ])('needs its issuer: %j', async (answer, message) => {
    const azure = new FakeAzure({ [testIssuerUrl]: answer })
    await expect(attest({}, { azure })).rejects.toThrow(
      error('ERR_NODE_EVIDENCE_MALFORMED', `${invalid}${fetched}${message}`),
    )
  })

  it('takes its issuer in PEM, with bounds and without redirects', async () => {
    const { issuer } = chain
    const lines = issuer.certificate.toString('base64').match(/.{1,64}/g) ?? []
    const text = `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
    const azure = new FakeAzure({ [testIssuerUrl]: { text } })
    expect(await attest({}, { azure })).toMatchObject({ agentId })
    expect(azure.asked[0]).toEqual({ url: testIssuerUrl, timeoutMs: 10_000, maxBytes: 65_536 })
  })

  it('asks for its issuer once a day', async () => {
    const azure = new FakeAzure()
    const own = new FakeClock(now)
    const sut = attestor({ azure, clock: own })
    await run(sut, agentOf({}))
    own.advance(86_399_999)
    await run(sut, agentOf({}))
    expect(azure.count(testIssuerUrl)).toBe(1)
    own.advance(1)
    await run(sut, agentOf({}))
    expect(azure.count(testIssuerUrl)).toBe(2)
  })
})

describe('each change of an attested document', () => {
  const { documents } = readAzureImdsConfig(parseConfig(usualConfig), {
    http: new FakeAzure(),
    clock,
    environment: {},
    roots: [chain.rootPem],
  })
  const said = { nonce: 'n'.repeat(32), subscriptionId: 'sub-1', vmId }
  const whole = chain.sign(said, { hasAttributes: true })
  const verify = (bytes: Uint8Array): Promise<unknown> =>
    documents.verify(Buffer.from(bytes).toString('base64')).catch((cause: unknown) => cause)

  it('of each byte is refused or changes nothing', async () => {
    let accepted = 0
    for (let index = 0; index < whole.length; index += sweepStep) {
      const changed = Buffer.from(whole)
      changed[index] = (whole[index] ?? 0) ^ (1 << (index % 8))
      const outcome = await verify(changed)
      if (outcome instanceof Error) expectNoEcho(outcome, changed)
      else {
        accepted++
        expect(outcome, `byte ${index}`).toEqual(said)
      }
    }
    // What nobody signed: version numbers, and the list of digests.
    expect(accepted).toBeGreaterThan(0)
    expect(accepted).toBeLessThan(whole.length / sweepStep / 10)
  }, 180_000)

  it('that cuts it off, or adds something, is refused', async () => {
    for (let length = 0; length < whole.length; length += 13) {
      expect(await verify(whole.subarray(0, length))).toBeInstanceOf(Error)
    }
    expect(await verify(Buffer.concat([whole, Buffer.of(1)]))).toBeInstanceOf(Error)
  })

  it('and of what stands around it in the answer, is refused or changes nothing', async () => {
    const sut = attestor()
    const length = response('n'.repeat(32)).length
    for (let index = 0; index < length; index += 13) {
      let changed: Buffer = Buffer.alloc(0)
      const answer = (challenge: Uint8Array): Buffer => {
        changed = response(Buffer.from(challenge).toString())
        changed[index] = (changed[index] ?? 0) ^ (1 << (index % 7))
        return changed
      }
      const outcome = await run(sut, { answer }).catch((cause: unknown) => cause)
      if (outcome instanceof NodeAttestorError) {
        expect(outcome.code).toMatch(/^ERR_NODE_EVIDENCE_(MALFORMED|REFUSED)$/)
        expect(outcome.message).not.toContain(changed.toString('latin1').slice(60, 76))
      } else expect(outcome).toMatchObject({ agentId, selectorValues })
    }
  })

  function expectNoEcho(refusal: Error, changed: Buffer): void {
    const text = String(refusal)
    for (const hint of [said.nonce.slice(0, 12), vmId, changed.toString('base64').slice(0, 16)]) {
      expect(text).not.toContain(hint)
    }
  }

  it('in its base64 is refused, line ends apart', async () => {
    const text = whole.toString('base64')
    for (const changed of [` ${text}`, `${text}=`, text.replaceAll('/', '_'), text.slice(0, -1)]) {
      const refusal = await documents.verify(changed).catch((cause: unknown) => cause)
      expect(String(refusal)).toContain('failed to decode signature: illegal base64 data')
    }
    expect(await documents.verify(text.replace(/.{64}/g, '$&\r\n'))).toEqual(said)
  })
})

describe('the machine of azure_imds', () => {
  const find = (graph: Partial<Graph>, changes: Answers = {}): Promise<NodeAttestation> =>
    attest({}, { azure: new FakeAzure(changes, graph) })
  const findInstance = (graph: Partial<Graph>, changes: Answers = {}): Promise<NodeAttestation> =>
    attest({ vmssName: 'set-1' }, { azure: new FakeAzure(changes, graph) })
  const denied = { status: 403, json: { error: { code: 'Denied', message: 'no' } } }

  it.each([
    ['is not found', { machines: records() }],
    ['has no interface', { cards: records() }],
  ])('that %s is unknown', async (_, graph) => {
    await expect(find(graph)).rejects.toThrow(error('ERR_NODE_NOT_FOUND', 'resource not found'))
  })

  it.each([
    ['is two', { machines: records(machine, machine) }, 'expected one result for resource at most'],
    [
      'cannot be read',
      { machines: denied },
      'unable to get virtual machine: error 403: Denied: no',
    ],
    [
      'has interfaces that cannot be read',
      { cards: denied },
      'unable to get network interfaces: error 403: Denied: no',
    ],
  ])('that %s decides nothing', async (_, graph, message) => {
    await expect(find(graph)).rejects.toThrow(error('ERR_NODE_ATTESTOR_FAILED', message))
  })

  it('may have a network that says nothing, and tags of any kind', async () => {
    const strange = {
      networkSecurityGroup: { id: 'x' },
      ipConfigurations: [{ properties: { subnet: { id: '/virtualNetworks//subnets/a' } } }],
    }
    const graph = {
      machines: records({ ...machine, tags: { env: 5 } }),
      cards: records({ properties: strange }, {}),
    }
    const found = await find(graph)
    expect(found.selectorValues).toEqual([
      'resource-group:group-1',
      'subscription-id:sub-1',
      'vm-location:westeurope',
      'vm-name:vm-1',
    ])
  })

  it('is asked for by its resource ID, whatever that holds', async () => {
    const azure = new FakeAzure({}, { machines: records({ ...machine, id: "a'b\\\n|c" }) })
    await attest({}, { azure })
    const queries = azure.asked
      .filter(({ url }) => url.startsWith(graphUrl))
      .map(({ body }) => JSON.parse(String(body)).query)
    expect(queries[1]).toContain(String.raw`tolower('a\'b\\ |c')`.replaceAll('\\\\', '\\\\'))
  })

  it.each([
    ['is in no scale set', { sets: records() }, {}, 'ERR_NODE_NOT_FOUND', 'resource not found'],
    [
      'is not in its scale set',
      {},
      { [setUrl]: { json: { value: [] } } },
      'ERR_NODE_ATTESTOR_FAILED',
      `VMSS instance "${vmId}" not found`,
    ],
    [
      'is in a scale set that cannot be read',
      {},
      { [setUrl]: denied },
      'ERR_NODE_ATTESTOR_FAILED',
      'unable to list VMSS instances: error 403: Denied: no',
    ],
    [
      'is in a scale set that is not found',
      { sets: denied },
      {},
      'ERR_NODE_ATTESTOR_FAILED',
      'unable to get VMSS info: error 403: Denied: no',
    ],
    [
      'has no name there',
      {},
      { [setUrl]: { json: { value: [{ ...instance, name: undefined }] } } },
      'ERR_NODE_ATTESTOR_FAILED',
      'vmss instance name is nil',
    ],
  ])('that %s is refused', async (_, graph, changes, code, message) => {
    await expect(findInstance(graph, changes as Answers)).rejects.toThrow(error(code, message))
  })

  it.each([
    ['', 'VMSS name must be at least 1 character(s) long, got 0'],
    ['a'.repeat(65), 'VMSS name must be at most 64 characters long, got 65'],
    ["a' or 'a", 'VMSS name can only contain alphanumeric characters, underscores, periods, and'],
    ['-a', 'VMSS name must start with an alphanumeric character'],
    ['a.', 'VMSS name must end with an alphanumeric character or an underscore'],
  ])('is not in a scale set of the name %j', async (vmssName, message) => {
    await expect(attest({ vmssName })).rejects.toThrow(
      error('ERR_NODE_EVIDENCE_MALFORMED', `invalid VMSS name: ${message}`),
    )
  })
})

describe('the tenant of azure_imds', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'azure-imds-'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  it.each([
    [{ status: 404 }, 'failed to fetch tenant ID, status: 404'],
    [{ text: '{' }, 'failed to unmarshal tenant ID: not JSON'],
    [{ json: { issuer: 'https://sts.windows.net/a/b/' } }, 'malformed tenant ID: "https://sts'],
    [{ json: {} }, 'malformed tenant ID: ""'],
  ])('must be one of Azure: %j', async (answer, message) => {
    const azure = new FakeAzure({ [tenantUrl]: answer })
    await expect(attest({}, { azure })).rejects.toThrow(
      error('ERR_NODE_ATTESTOR_FAILED', `unable to lookup tenant ID: ${message}`),
    )
  })

  it('is asked for its ID once', async () => {
    const azure = new FakeAzure()
    const sut = attestor({ azure })
    await run(sut, agentOf({}))
    await run(sut, agentOf({}))
    expect(azure.count(tenantUrl)).toBe(1)
  })

  const formOf = (azure: FakeCloud): object => {
    const asked = azure.asked.find(({ url }) => url.startsWith(tokenUrl))
    return Object.fromEntries(new URLSearchParams(String(asked?.body)))
  }

  it('has an application, with a secret or a token of another issuer', async () => {
    const azure = new FakeAzure()
    await attest({}, { azure })
    expect(formOf(azure)).toMatchObject({ client_id: 'app', client_secret: 'hush' })
    const file = join(folder, 'token')
    const part = Buffer.from('{"alg":"RS256"}').toString('base64url')
    writeFileSync(file, `${part}.${part}.AAAA\n`)
    const other = new FakeAzure()
    const auth = `token_auth = { token_path = "${file}" app_id = "app-2" }`
    await attest({}, { azure: other, config: `tenants = { "${domain}" = { ${auth} } }` })
    expect(formOf(other)).toMatchObject({
      client_id: 'app-2',
      client_assertion: `${part}.${part}.AAAA`,
    })
  })

  it('is else looked into by who the environment says', async () => {
    const azure = new FakeAzure()
    const environment = { AZURE_CLIENT_ID: 'id', AZURE_CLIENT_SECRET: 'word' }
    await attest({}, { azure, environment, config: `tenants = { "${domain}" = {} }` })
    expect(formOf(azure)).toMatchObject({ client_id: 'id', client_secret: 'word' })
  })
})

describe('the configuration of azure_imds', () => {
  const tenant = (keys: string): string => `tenants = { "t" = { ${keys} } }`
  const problem = 'misconfigured tenant "t": '
  it.each([
    ['', 'configuration must have at least one tenant'],
    [
      tenant('secret_auth = { app_id = "a" app_secret = "b" } token_auth = { app_id = "a" }'),
      `${problem}only one of secret_auth or token_auth may be specified in the config`,
    ],
    [tenant('secret_auth = { app_secret = "b" }'), `${problem}missing app id`],
    [tenant('secret_auth = { app_id = "a" }'), `${problem}missing app secret`],
    [tenant('token_auth = { app_id = "a" }'), `${problem}missing token file path`],
    [tenant('token_auth = { token_path = "a" }'), `${problem}missing app id`],
    [
      tenant('restrict_to_subscriptions = [" "]'),
      `${problem}restrict_to_subscriptions entries must be non-empty`,
    ],
    [`${tenant('')} agent_path_template = "{{"`, 'failed to parse agent path template: "{{"'],
  ])('is refused: %s', (config, message) => {
    expect(() => attestor({ config })).toThrow(error('ERR_NODE_ATTESTOR_CONFIG', message))
  })

  it('may name roots beside Microsoft’s', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'azure-imds-'))
    const path = join(folder, 'roots.pem')
    const config = `${usualConfig} trust_bundle_path = "${path}"`
    try {
      expect(() => attestor({ config })).toThrow(
        error(
          'ERR_NODE_ATTESTOR_CONFIG',
          `unable to read trust bundle "${path}": open ${path}: no such file or directory`,
        ),
      )
      writeFileSync(path, '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')
      expect(() => attestor({ config })).toThrow(
        error('ERR_NODE_ATTESTOR_CONFIG', `unable to read trust bundle "${path}": `),
      )
      for (const text of ['', pemEncode('CERTIFICATE', chain.signer.certificate)]) {
        writeFileSync(path, text)
        expect(() => attestor({ config })).toThrow(
          `trust bundle "${path}" must hold certificates of authorities only`,
        )
      }
      writeFileSync(path, chain.rootPem)
      expect(await attest({}, { config, roots: microsoftRoots })).toMatchObject({ agentId })
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  it('has roots of Microsoft, and asks nobody', async () => {
    const azure = new FakeAzure()
    const options = readAzureImdsConfig(parseConfig(usualConfig), {
      http: azure,
      clock,
      environment: {},
    })
    expect(azure.asked).toEqual([])
    await expect(
      new AzureImdsAttestor({ ...options, trustDomain: TrustDomain.parse('example.org') }).attest(
        Buffer.from('x'),
        attestationContext(agentOf({})),
      ),
    ).rejects.toThrow('x509: certificate signed by unknown authority')
  })
})
