import { copyFileSync, writeFileSync } from 'node:fs'
import { nodeAttestorBuiltIns as agentSide } from '@mini-spire/agent/plugins/node-attestor/built-ins'
import { readK8sConfig } from '@mini-spire/agent/plugins/workload-attestor/k8s/k8s-config'
import { Kubelet } from '@mini-spire/agent/plugins/workload-attestor/k8s/kubelet'
import { type Clock, systemClock } from '@mini-spire/runtime/clock'
import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { parseConfig } from '@mini-spire/runtime/config/parse'
import { HttpClient, type HttpRequest } from '@mini-spire/runtime/http/http-client'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import {
  type AzureHost,
  FakeAzure,
  FakeGoogle,
  type FakeHost,
  FakeInstanceMetadata,
  FakeKubelet,
  FakeKubernetes,
  hostFaults,
  TestAws,
  type TestEvidence,
  wrongAzureTokens,
  wrongDocuments,
  wrongEvidence,
  wrongGoogleTokens,
  wrongServiceAccountTokens,
} from '@mini-spire/sdk/testing/platforms'
import { attestationContext } from '@mini-spire/server/plugins/node-attestor/attestation-context.test-kit'
import {
  certificatesOf,
  payloadOf,
} from '@mini-spire/server/plugins/node-attestor/aws-iid/aws-evidence.test-kit'
import { verifyIdentityDocument } from '@mini-spire/server/plugins/node-attestor/aws-iid/identity-document'
import { nodeAttestorBuiltIns as serverSide } from '@mini-spire/server/plugins/node-attestor/built-ins'
import type { NodeAttestation } from '@mini-spire/server/plugins/node-attestor/node-attestor'
import { NodeAttestorError } from '@mini-spire/server/plugins/node-attestor/node-attestor-error'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'

const trustDomain = TrustDomain.parse('example.org')
const longMs = 600_000
const azureHosts: readonly AzureHost[] = ['metadata', 'directory', 'management', 'issuer']

interface Verifier {
  readonly name: string
  readonly config: string
  readonly environment?: Readonly<Record<string, string>>
}

async function attest(
  { name, config, environment = {} }: Verifier,
  payload: string,
  clock: Clock = systemClock,
): Promise<NodeAttestation> {
  const surroundings = { trustDomain, clock, environment }
  const attestor = await serverSide.get(name)?.(parseConfig(config), surroundings)
  if (!attestor) throw new Error(`no ${name}`)
  return await attestor.attest(Buffer.from(payload), attestationContext())
}

/** The code of the refusal; a text that is not an attestor's own would be a crash. */
async function refusal(attempt: Promise<unknown>): Promise<string> {
  try {
    await attempt
  } catch (error) {
    if (error instanceof NodeAttestorError) return error.code
    throw error
  }
  return 'accepted'
}

/** Lets an attempt run whose time is up as soon as the host has been asked. */
async function outOfTime(
  host: FakeHost,
  attempt: (clock: Clock) => Promise<unknown>,
): Promise<string> {
  const clock = new FakeClock(new Date())
  const before = host.requests
  let isOver = false
  const running = refusal(attempt(clock)).finally(() => {
    isOver = true
  })
  while (!isOver) {
    await new Promise((resolve) => setImmediate(resolve))
    if (host.requests > before) clock.advance(longMs)
  }
  return await running
}

describe('the fake Google', () => {
  let google: FakeGoogle
  let verifier: Verifier
  const audience = 'spire-gcp-node-attestor'
  beforeAll(async () => {
    google = await FakeGoogle.start({
      project_id: 'project-1',
      project_number: 123_456,
      zone: 'europe-west1-b',
      instance_id: '4242',
      instance_name: 'vm-1',
      instance_creation_timestamp: 1_700_000_000,
    })
    const config = 'projectid_allow_list = ["project-1"]'
    verifier = { name: 'gcp_iit', config, environment: google.environment }
  })
  beforeEach(() => {
    google.wrong = undefined
    google.metadata.fault = undefined
    google.certificates.fault = undefined
  })
  afterAll(() => google[Symbol.asyncDispose]())

  async function tokenOfMetadata(): Promise<string> {
    const http = new HttpClient({ environment: {}, clock: systemClock })
    const config = parseConfig(`identity_token_host = "${google.metadataHost}"`)
    const attestor = await agentSide.get('gcp_iit')?.(config, { http })
    const attestation = await attestor?.begin({ signal: AbortSignal.timeout(60_000) })
    return Buffer.from(attestation?.payload ?? '').toString()
  }

  it('issues tokens that are accepted', async () => {
    const { agentId } = await attest(verifier, await tokenOfMetadata())
    expect(agentId).toBe('spiffe://example.org/spire/agent/gcp_iit/project-1/4242')
  })

  it.each(wrongGoogleTokens)('issues tokens that are refused: %s', async (wrong) => {
    const code = await refusal(attest(verifier, google.token(audience, wrong)))
    expect(code).toMatch(/^ERR_NODE_EVIDENCE_(MALFORMED|REFUSED)$/)
    google.wrong = wrong
    const shown = await tokenOfMetadata().catch(() => 'none')
    expect(await refusal(attest(verifier, shown))).toMatch(/^ERR_NODE_EVIDENCE_/)
  })

  it.each(hostFaults.filter((fault) => fault !== 'silent'))(
    'has certificates that cannot be had: %s',
    async (fault) => {
      google.certificates.fault = fault
      const attempt = attest(verifier, google.token(audience))
      expect(await refusal(attempt)).toBe('ERR_NODE_ATTESTOR_FAILED')
    },
  )

  it('has certificates that nobody waits for', async () => {
    google.certificates.fault = 'silent'
    const attempt = (clock: Clock): Promise<unknown> =>
      attest(verifier, google.token(audience), clock)
    expect(await outOfTime(google.certificates, attempt)).toBe('ERR_NODE_ATTESTOR_FAILED')
  })

  it.each(['unavailable', 'forbidden', 'empty', 'huge', 'redirect'] as const)(
    'has a metadata server that issues nothing: %s',
    async (fault) => {
      google.metadata.fault = fault
      await expect(tokenOfMetadata()).rejects.toThrow('unable to retrieve valid identity token: ')
    },
  )
})

describe('the fake AWS', () => {
  const aws = new TestAws()
  const certificates = certificatesOf(aws)
  const verify = (evidence: Partial<TestEvidence>): Promise<unknown> =>
    verifyIdentityDocument(payloadOf(evidence), certificates)

  it('signs evidence that is accepted', async () => {
    await using metadata = await FakeInstanceMetadata.start({ evidence: aws.evidence() })
    expect(await verify(await evidenceOf(metadata))).toMatchObject({
      accountId: '123456789012',
      instanceId: 'i-0123456789abcdef0',
    })
    const { document, signature } = aws.evidence()
    expect(await verify({ document, signature })).toMatchObject({ region: 'us-west-2' })
  })

  it.each(wrongEvidence)('signs evidence that is refused: %s', async (wrong) => {
    const evidence = aws.evidence({}, wrong)
    expect(await refusal(verify(evidence))).toMatch(
      /^ERR_NODE_(EVIDENCE_MALFORMED|ATTESTOR_FAILED)$/,
    )
    const { document, signature } = evidence
    expect(await refusal(verify({ document, signature }))).not.toBe('accepted')
    await using metadata = await FakeInstanceMetadata.start({ evidence: {} })
    metadata.evidence = evidence
    const shown = await evidenceOf(metadata).catch(() => ({}))
    expect(await refusal(verify(shown))).toMatch(/^ERR_NODE_/)
  })

  it.each(hostFaults.filter((fault) => fault !== 'silent'))(
    'has a metadata service that misbehaves: %s',
    async (fault) => {
      await using metadata = await FakeInstanceMetadata.start({ evidence: aws.evidence() })
      metadata.host.fault = fault
      const shown = await evidenceOf(metadata).catch(() => ({}))
      expect(await refusal(verify(shown))).toMatch(/^ERR_NODE_/)
    },
  )

  async function evidenceOf({ endpoint }: FakeInstanceMetadata): Promise<TestEvidence> {
    const http = new HttpClient({ environment: {}, clock: systemClock })
    const config = parseConfig(`ec2_metadata_endpoint = "${endpoint}"`)
    const attestor = await agentSide.get('aws_iid')?.(config, { http })
    const attestation = await attestor?.begin({ signal: AbortSignal.timeout(60_000) })
    return JSON.parse(Buffer.from(attestation?.payload ?? '').toString())
  }
})

describe('the fake Azure', () => {
  let azure: FakeAzure
  const audience = 'https://management.azure.com/'
  const tenantId = '11111111-2222-3333-4444-555555555555'
  const domain = 'example.onmicrosoft.com'
  const subscriptionId = '66666666-7777-8888-9999-000000000000'
  const application = 'app_id = "app" app_secret = "secret"'
  let roots = ''
  beforeAll(async () => {
    azure = await FakeAzure.start({
      tenantId,
      domain,
      subscriptionId,
      resourceGroup: 'group-1',
      name: 'vm-1',
      location: 'westeurope',
      vmId: '4c4c4544-0052-3310-8051-b4c04f4e3633',
      principalId: '12345678-1234-1234-1234-123456789abc',
      tags: {},
    })
    roots = `${azure.environment.SSL_CERT_FILE}.documents`
    writeFileSync(roots, azure.chain.rootPem)
  })
  beforeEach(() => {
    azure.wrongDocument = undefined
    azure.wrongToken = undefined
    for (const host of azureHosts) azure.host(host).fault = undefined
  })
  afterAll(() => azure[Symbol.asyncDispose]())

  const msi = (): Verifier => ({
    name: 'azure_msi',
    config: `tenants = { "${tenantId}" = { subscription_id = "${subscriptionId}" ${application} } }`,
    environment: azure.environment,
  })
  const showToken = (token: string, clock?: Clock): Promise<NodeAttestation> =>
    attest(msi(), JSON.stringify({ token }), clock)

  /** The whole conversation: the agent's side answers the server's nonce by the metadata service. */
  async function showDocument(clock: Clock = systemClock): Promise<NodeAttestation> {
    const { environment } = azure
    const config = parseConfig(`tenants = { "${domain}" = { secret_auth = { ${application} } } }
      trust_bundle_path = "${roots}"`)
    const server = await serverSide.get('azure_imds')?.(config, { trustDomain, clock, environment })
    const client = new HttpClient({ environment: {}, clock })
    // No proxy is asked for the metadata service.
    const http = {
      request: (request: HttpRequest) =>
        client.request({
          ...request,
          url: request.url.replace('169.254.169.254', azure.metadataAddress),
        }),
    }
    const agent = agentSide.get('azure_imds')
    const attestor = await agent?.(parseConfig(`tenant_domain = "${domain}"`), { http })
    const began = await attestor?.begin({ signal: AbortSignal.timeout(60_000) })
    if (!server || !began) throw new Error('no azure_imds')
    const answer = async (challenge: Uint8Array): Promise<Uint8Array> =>
      (await began.answer?.(challenge)) ?? Buffer.alloc(0)
    return await server.attest(began.payload, attestationContext({ answer }))
  }

  it('issues documents that are accepted', async () => {
    const { agentId } = await showDocument()
    expect(agentId).toMatch(/azure_imds\/1111.*\/4c4c4544-0052-3310-8051-b4c04f4e3633$/)
  })

  it.each(wrongDocuments.filter((wrong) => wrong !== 'huge'))(
    'issues documents that are refused: %s',
    async (wrong) => {
      azure.wrongDocument = wrong
      expect(await refusal(showDocument())).toBe('ERR_NODE_EVIDENCE_MALFORMED')
    },
  )

  it('issues a document that is too long for an agent', async () => {
    azure.wrongDocument = 'huge'
    await expect(showDocument()).rejects.toThrow('the answer is longer than 65536 bytes')
  })

  it('issues tokens that are accepted', async () => {
    const { agentId } = await showToken(azure.token(audience))
    expect(agentId).toMatch(/azure_msi\/1111.*\/12345678-1234-1234-1234-123456789abc$/)
  })

  it.each(wrongAzureTokens)('issues tokens that are refused: %s', async (wrong) => {
    const code = await refusal(showToken(azure.token(audience, wrong)))
    expect(code).toMatch(/^ERR_NODE_(EVIDENCE_MALFORMED|EVIDENCE_REFUSED|ATTESTOR_FAILED)$/)
  })

  it.each(hostFaults.filter((fault) => fault !== 'silent'))(
    'has hosts that misbehave: %s',
    async (fault) => {
      for (const [host, attempt] of [
        ['directory', () => showToken(azure.token(audience))],
        ['management', () => showToken(azure.token(audience))],
        ['issuer', () => showDocument()],
      ] as const) {
        azure.host(host).fault = fault
        expect(await refusal(attempt())).toMatch(/^ERR_NODE_/)
        azure.host(host).fault = undefined
      }
      azure.host('metadata').fault = fault
      await expect(showDocument()).rejects.toThrow()
    },
  )

  it('has hosts that nobody waits for', async () => {
    azure.host('directory').fault = 'silent'
    const attempt = (clock: Clock): Promise<unknown> => showToken(azure.token(audience), clock)
    expect(await outOfTime(azure.host('directory'), attempt)).toBe('ERR_NODE_ATTESTOR_FAILED')
  })
})

describe('the fake Kubernetes', () => {
  let kubernetes: FakeKubernetes
  let verifier: Verifier
  const claims = {
    namespace: 'spire',
    serviceAccount: 'spire-agent',
    podName: 'agent-1',
    podUid: 'pod-uid',
    audiences: ['spire-server'],
  }
  beforeAll(async () => {
    kubernetes = await FakeKubernetes.start()
    const config = `clusters = { "main" = {
      service_account_allow_list = ["spire:spire-agent"]
      kube_config_file = "${kubernetes.kubeconfig}"
    } }`
    verifier = { name: 'k8s_psat', config }
  })
  beforeEach(() => {
    kubernetes.host.fault = undefined
    kubernetes.nodes.set('node-1', { uid: 'node-uid', labels: {} })
    kubernetes.pods.set('spire/agent-1', { uid: 'pod-uid', labels: {}, nodeName: 'node-1' })
  })
  afterAll(() => kubernetes[Symbol.asyncDispose]())

  const show = (token: string, clock?: Clock): Promise<NodeAttestation> =>
    attest(verifier, JSON.stringify({ cluster: 'main', token }), clock)

  it('issues tokens that are accepted', async () => {
    const { agentId } = await show(kubernetes.token(claims))
    expect(agentId).toBe('spiffe://example.org/spire/agent/k8s_psat/main/node-uid')
  })

  it.each(wrongServiceAccountTokens.filter((wrong) => wrong !== 'huge'))(
    'issues tokens that are refused: %s',
    async (wrong) => {
      const code = await refusal(show(kubernetes.token(claims, wrong)))
      expect(code).toMatch(/^ERR_NODE_(EVIDENCE_REFUSED|ATTESTOR_FAILED)$/)
    },
  )

  it.each([
    ['of another namespace', { ...claims, namespace: 'other' }],
    ['of another account', { ...claims, serviceAccount: 'other' }],
    ['of a pod that has gone', { ...claims, podName: 'agent-2' }],
    ['of an earlier pod of the same name', { ...claims, podUid: 'earlier' }],
    ['for somebody else', { ...claims, audiences: ['other'] }],
  ])('issues good tokens that are refused: %s', async (_, other) => {
    expect(await refusal(show(kubernetes.token(other)))).not.toBe('accepted')
  })

  it('has nodes that go', async () => {
    kubernetes.nodes.clear()
    expect(await refusal(show(kubernetes.token(claims)))).toBe('ERR_NODE_ATTESTOR_FAILED')
  })

  it.each(hostFaults.filter((fault) => fault !== 'silent'))(
    'has an API server that misbehaves: %s',
    async (fault) => {
      kubernetes.host.fault = fault
      const code = await refusal(show(kubernetes.token(claims)))
      expect(code).toMatch(/^ERR_NODE_(EVIDENCE_REFUSED|ATTESTOR_FAILED)$/)
    },
  )

  it('has an API server that nobody waits for', async () => {
    kubernetes.host.fault = 'silent'
    const attempt = (clock: Clock): Promise<unknown> => show(kubernetes.token(claims), clock)
    expect(await outOfTime(kubernetes.host, attempt)).toBe('ERR_NODE_ATTESTOR_FAILED')
  })
})

describe('the fake kubelet', () => {
  let kubelet: FakeKubelet
  const container = 'a'.repeat(64)
  beforeAll(async () => {
    kubelet = await FakeKubelet.start()
    kubelet.pods.push({
      uid: 'pod-uid',
      name: 'web-1',
      namespace: 'shop',
      serviceAccount: 'seller',
      nodeName: 'node-1',
      labels: { app: 'web' },
      owners: [{ kind: 'StatefulSet', name: 'web', uid: 'owner-uid' }],
      containers: [{ name: 'app', id: container, image: 'web:1', imageId: 'web@sha256:12' }],
      initContainers: [{ name: 'init', image: 'init:1' }],
    })
  })
  beforeEach(() => {
    kubelet.secure.fault = undefined
    kubelet.readOnly.fault = undefined
  })
  afterAll(() => kubelet[Symbol.asyncDispose]())

  async function fetchPods(config: string, clock: Clock = systemClock): Promise<unknown> {
    const { kubelet: options } = readK8sConfig(parseConfig(config), {})
    if (!options) throw new Error('no kubelet is configured')
    const http = new HttpClient({ environment: {}, clock })
    const client = await Kubelet.open({ ...options, http, clock })
    return [...(await client.fetchPods()).values()]
  }
  const secure = (): string => `kubelet_secure_port = ${kubelet.secure.port}
    kubelet_ca_path = "${kubelet.caPath}" token_path = "${kubelet.tokenPath}"`
  const readOnly = (): string => `kubelet_read_only_port = ${kubelet.readOnly.port}`

  it.each([
    ['with TLS and a token', secure],
    ['without either', readOnly],
  ])('tells its pods %s', async (_, config) => {
    expect(await fetchPods(config())).toEqual([
      {
        uid: 'pod-uid',
        name: 'web-1',
        namespace: 'shop',
        serviceAccount: 'seller',
        nodeName: 'node-1',
        labels: new Map([['app', 'web']]),
        owners: [{ kind: 'StatefulSet', name: 'web', uid: 'owner-uid' }],
        containers: [
          { name: 'app', containerId: container, image: 'web:1', imageId: 'web@sha256:12' },
        ],
        initContainers: [{ name: 'init', containerId: '', image: 'init:1', imageId: 'init:1' }],
      },
    ])
  })

  it('tells nothing to who has no token, or an earlier one', async () => {
    const anonymous = `kubelet_secure_port = ${kubelet.secure.port}
      kubelet_ca_path = "${kubelet.caPath}" use_anonymous_authentication = true`
    const refused = 'unexpected status code on pods response: 401 Unauthorized'
    await expect(fetchPods(anonymous)).rejects.toThrow(refused)
    const earlier = `${kubelet.tokenPath}.earlier`
    copyFileSync(kubelet.tokenPath, earlier)
    await kubelet.rotateToken()
    await expect(fetchPods(secure().replace(kubelet.tokenPath, earlier))).rejects.toThrow(refused)
    expect(await fetchPods(secure())).toHaveLength(1)
  })

  it('is not trusted by who trusts another authority', async () => {
    await using other = await FakeKubelet.start()
    const config = secure().replace(kubelet.caPath, other.caPath)
    await expect(fetchPods(config)).rejects.toThrow('unknown authority')
  })

  it.each(hostFaults.filter((fault) => fault !== 'silent'))('misbehaves: %s', async (fault) => {
    kubelet.secure.fault = fault
    kubelet.readOnly.fault = fault
    for (const config of [secure(), readOnly()]) {
      await expect(fetchPods(config)).rejects.toThrow(/unexpected status code|JSON|more than/)
    }
  })
})
