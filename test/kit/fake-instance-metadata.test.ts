import { AwsIidAttestor } from '@mini-spire/agent/plugins/node-attestor/aws-iid/aws-iid'
import { systemClock } from '@mini-spire/runtime/clock'
import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { HttpClient } from '@mini-spire/runtime/http/http-client'
import {
  FakeInstanceMetadata,
  type FakeInstanceMetadataOptions,
  type TestEvidence,
} from '@mini-spire/sdk/testing/platforms'
import { describe, expect, it } from 'vitest'

const evidence: TestEvidence = { document: '{}', signature: 'AA\nBB', rsa2048: 'CC\nDD' }
const token = 'PUT /latest/api/token'
const reads = ['document', 'signature', 'rsa2048'].map(
  (name) => `GET /latest/dynamic/instance-identity/${name}`,
)

/** What our agent shows, by this service. */
async function shown(
  metadata: FakeInstanceMetadata,
  { clock = systemClock, signal = new AbortController().signal } = {},
): Promise<unknown> {
  const http = new HttpClient({ environment: {}, clock })
  const attestor = new AwsIidAttestor({ http, endpoint: metadata.endpoint })
  const { payload } = await attestor.begin({ signal })
  return JSON.parse(Buffer.from(payload).toString())
}

const start = (options: Partial<FakeInstanceMetadataOptions> = {}): Promise<FakeInstanceMetadata> =>
  FakeInstanceMetadata.start({ evidence, ...options })

describe('the metadata service of EC2', () => {
  it.each(['required', 'optional', 'unknown'] as const)(
    'where tokens are %s, is read by our agent',
    async (tokens) => {
      await using metadata = await start({ tokens })
      expect(await shown(metadata)).toEqual(evidence)
      expect(metadata.asked).toEqual([token, ...reads])
    },
  )

  it('says nothing to who comes from too far away, and our agent says what to do', async () => {
    await using metadata = await start({ tokens: 'lost' })
    const clock = new FakeClock()
    const showing = expect(shown(metadata, { clock })).rejects.toThrow(
      'no session token came back, and instance-identity/document is not to be had without one',
    )
    await metadata.untilAsked(token)
    clock.advance(2_000)
    await showing
    expect(metadata.asked).toEqual([token, reads[0]])
  })

  it('that is slow is waited for no longer than five seconds an answer', async () => {
    await using metadata = await start({ slow: 'signature' })
    const clock = new FakeClock()
    const showing = expect(shown(metadata, { clock })).rejects.toThrow('within 5000 ms')
    await metadata.untilAsked(`${reads[1]}`)
    clock.advance(5_000)
    await showing
  })

  it('that floods is read to 16 KB', async () => {
    for (const name of ['document', 'signature', 'rsa2048'] as const) {
      const flood = { ...evidence, [name]: 'x'.repeat(10_000_000) }
      await using metadata = await start({ evidence: flood })
      await expect(shown(metadata)).rejects.toThrow('the answer is longer than 16384 bytes')
    }
  })

  it('gives up its tokens when their life is over, and takes no others', async () => {
    const clock = new FakeClock()
    await using metadata = await start({ clock })
    const ask = (path: string, init: RequestInit = {}): Promise<Response> =>
      fetch(`${metadata.endpoint}/latest/${path}`, init)
    const life = (seconds: string): RequestInit => ({
      method: 'PUT',
      headers: { 'x-aws-ec2-metadata-token-ttl-seconds': seconds },
    })
    const answer = await ask('api/token', life('60'))
    expect(answer.headers.get('x-aws-ec2-metadata-token-ttl-seconds')).toBe('60')
    const headers = { 'x-aws-ec2-metadata-token': await answer.text() }
    const path = 'dynamic/instance-identity/document'
    expect((await ask(path, { headers })).status).toBe(200)
    expect((await ask(path)).status).toBe(401)
    expect((await ask(path, { headers: { 'x-aws-ec2-metadata-token': 'x' } })).status).toBe(401)
    const forwarded = { ...headers, 'x-forwarded-for': '10.0.0.1' }
    expect((await ask(path, { headers: forwarded })).status).toBe(403)
    clock.advance(60_000)
    expect((await ask(path, { headers })).status).toBe(401)
    for (const seconds of ['0', '21601', '']) {
      expect((await ask('api/token', life(seconds))).status).toBe(400)
    }
    expect((await ask('api/token')).status).toBe(405)
    expect((await ask('dynamic/instance-identity/pkcs7', { headers })).status).toBe(401)
  })
})
