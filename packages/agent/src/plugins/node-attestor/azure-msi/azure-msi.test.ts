import { parseConfig } from '@mini-spire/runtime/config/parse'
import type { HttpAnswer, HttpRequest } from '@mini-spire/runtime/http/http-client'
import { describe, expect, it } from 'vitest'
import { nodeAttestorBuiltIns } from '../built-ins.ts'
import { nodeAttestorContract } from '../node-attestor.contract.ts'
import type { NodeAttestation, NodeAttestor } from '../node-attestor.ts'

interface Answer {
  readonly status?: number
  readonly text?: string
  readonly error?: Error
}

async function make(answer: Answer, config = '', asked: HttpRequest[] = []): Promise<NodeAttestor> {
  const request = async (one: HttpRequest): Promise<HttpAnswer> => {
    asked.push(one)
    if (answer.error) throw answer.error
    const { status = 200, text = '' } = answer
    return { status, statusLine: String(status), headers: {}, body: Buffer.from(text) }
  }
  const create = nodeAttestorBuiltIns.get('azure_msi')
  const attestor = await create?.(parseConfig(config), { http: { request } })
  if (!attestor) throw new Error('no azure_msi')
  return attestor
}

async function begin(
  answer: Answer,
  config = '',
): Promise<{ readonly attestation: NodeAttestation; readonly asked: readonly HttpRequest[] }> {
  const asked: HttpRequest[] = []
  const attestor = await make(answer, config, asked)
  return { attestation: await attestor.begin({ signal: new AbortController().signal }), asked }
}

const good = { text: '{"access_token":"a.b.c"}' }

nodeAttestorContract({ describe, it, expect }, 'azure_msi', () => make(good))

describe('azure_msi', () => {
  it('shows the token of the machine', async () => {
    const { attestation, asked } = await begin(good)
    expect(JSON.parse(Buffer.from(attestation.payload).toString())).toEqual({ token: 'a.b.c' })
    expect(asked).toMatchObject([
      {
        url: 'http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fmanagement.azure.com%2F',
        headers: { metadata: 'true' },
        proxy: 'none',
      },
    ])
    await expect(attestation.answer(Buffer.of(1))).rejects.toThrow(
      'nodeattestor(azure_msi): server issued unexpected challenge',
    )
  })

  it('asks for a token for what it is told', async () => {
    const { asked } = await begin(good, 'resource_id = "api://app&x=y"')
    expect(asked[0]?.url).toContain('&resource=api%3A%2F%2Fapp%26x%3Dy')
  })

  it.each([
    [{ status: 400, text: 'no identity' }, 'unexpected status code 400: no identity'],
    [{ text: '{"access_token": hush' }, 'unable to decode response: not JSON'],
    [{ text: '{}' }, 'response missing access token'],
    [{ error: new Error('nobody there') }, 'nobody there'],
  ])('does not begin with %j', async (answer, why) => {
    const beginning = begin(answer)
    await expect(beginning).rejects.toThrow(
      expect.objectContaining({
        code: 'ERR_NODE_ATTESTOR_CREDENTIAL',
        kind: 'internal',
        message: `nodeattestor(azure_msi): unable to fetch token: ${why}`,
      }),
    )
  })
})
