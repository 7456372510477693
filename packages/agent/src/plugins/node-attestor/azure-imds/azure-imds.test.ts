import { parseConfig } from '@mini-spire/runtime/config/parse'
import type { HttpAnswer, HttpRequest } from '@mini-spire/runtime/http/http-client'
import { describe, expect, it } from 'vitest'
import { nodeAttestorBuiltIns } from '../built-ins.ts'
import { nodeAttestorContract } from '../node-attestor.contract.ts'
import type { NodeAttestation, NodeAttestor } from '../node-attestor.ts'

interface Answer {
  readonly status?: number
  readonly json?: unknown
  readonly text?: string
}

const document = { encoding: 'pkcs7', signature: 'AAAA' }
const compute = { name: 'vm-1', subscriptionId: 'sub-1', resourceGroupName: 'group-1' }
const usual = { document: { json: document }, instance: { json: { compute } } }

interface Answers {
  readonly document?: Answer
  readonly instance?: Answer
}

const usualConfig = 'tenant_domain = "example.onmicrosoft.com"'

async function make(
  answers: Answers = {},
  config = usualConfig,
  asked: HttpRequest[] = [],
): Promise<NodeAttestor> {
  const request = async (one: HttpRequest): Promise<HttpAnswer> => {
    asked.push(one)
    const all = { ...usual, ...answers }
    const answer: Answer = one.url.includes('/attested/') ? all.document : all.instance
    const { status = 200, json, text = JSON.stringify(json) } = answer
    return { status, statusLine: String(status), headers: {}, body: Buffer.from(text) }
  }
  const create = nodeAttestorBuiltIns.get('azure_imds')
  const attestor = await create?.(parseConfig(config), { http: { request } })
  if (!attestor) throw new Error('no azure_imds')
  return attestor
}

// The challenge is a nonce that may be any text.
nodeAttestorContract({ describe, it, expect }, 'azure_imds', () => make(), { takesAnything: true })

async function begin(
  answers?: Answers,
  config?: string,
): Promise<{ readonly attestation: NodeAttestation; readonly asked: readonly HttpRequest[] }> {
  const asked: HttpRequest[] = []
  const attestor = await make(answers, config, asked)
  return { attestation: await attestor.begin({ signal: new AbortController().signal }), asked }
}

describe('azure_imds', () => {
  it('shows a document over the nonce of the server', async () => {
    const { attestation, asked } = await begin()
    expect(Buffer.from(attestation.payload).toString()).toBe('non_empty_payload')
    expect(asked).toEqual([])
    const answer = await attestation.answer(Buffer.from('a&b=c'))
    expect(JSON.parse(Buffer.from(answer).toString())).toEqual({
      document,
      metadata: { agentDomain: 'example.onmicrosoft.com', vmssName: null },
    })
    const base = 'http://169.254.169.254/metadata'
    const common = { headers: { metadata: 'true' }, proxy: 'none', timeoutMs: 10_000 }
    expect(asked).toMatchObject([
      {
        url: `${base}/attested/document?api-version=2025-04-07&nonce=a%26b%3Dc`,
        ...common,
      },
      { url: `${base}/instance?api-version=2025-04-07&format=json`, ...common },
    ])
  })

  it('names the scale set of the machine', async () => {
    const instance = { json: { compute: { ...compute, vmScaleSetName: 'set-1' } } }
    const { attestation } = await begin({ instance })
    const answer = await attestation.answer(Buffer.from('nonce'))
    expect(JSON.parse(Buffer.from(answer).toString()).metadata).toEqual({
      agentDomain: 'example.onmicrosoft.com',
      vmssName: 'set-1',
    })
  })

  const ofDocument = 'unable to fetch attested document: '
  const ofInstance = 'unable to fetch compute metadata: '
  const without = (key: string): Answer => ({ json: { compute: { ...compute, [key]: '' } } })
  it.each([
    [{ document: { status: 400, text: 'no' } }, `${ofDocument}unexpected status code 400: no`],
    [{ document: { text: 'hush' } }, `${ofDocument}unable to decode response: not JSON`],
    [{ document: { json: { signature: 'A' } } }, `${ofDocument}response missing encoding`],
    [{ document: { json: { encoding: 'A' } } }, `${ofDocument}response missing signature`],
    [{ instance: { status: 500, text: '' } }, `${ofInstance}unexpected status code 500: `],
    [{ instance: without('name') }, `${ofInstance}response missing instance name`],
    [
      { instance: without('subscriptionId') },
      `${ofInstance}response missing instance subscription id`,
    ],
    [
      { instance: without('resourceGroupName') },
      `${ofInstance}response missing instance resource group name`,
    ],
  ])('does not answer with %j', async (answers, why) => {
    const { attestation } = await begin(answers)
    await expect(attestation.answer(Buffer.from('nonce'))).rejects.toThrow(
      expect.objectContaining({
        code: 'ERR_NODE_ATTESTOR_CHALLENGE',
        kind: 'internal',
        message: `nodeattestor(azure_imds): ${why}`,
      }),
    )
  })

  it('needs the domain of its tenant', async () => {
    await expect(begin({}, '')).rejects.toMatchObject({
      code: 'ERR_PLUGIN_CONFIG',
      message: expect.stringContaining('tenant_domain is required'),
    })
  })
})
