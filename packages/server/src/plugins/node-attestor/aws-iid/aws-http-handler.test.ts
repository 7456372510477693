import type { HttpAnswer, HttpRequest } from '@mini-spire/runtime/http/http-client'
import { describe, expect, it } from 'vitest'
import { AwsHttpHandler, type AwsRequest } from './aws-http-handler.ts'

const usual: AwsRequest = {
  protocol: 'https:',
  hostname: 'eks.us-west-2.amazonaws.com',
  method: 'GET',
  path: '/clusters/blue/node-groups',
  headers: { host: 'eks.us-west-2.amazonaws.com' },
}

function handler(): { readonly sut: AwsHttpHandler; readonly asked: HttpRequest[] } {
  const asked: HttpRequest[] = []
  const request = async (one: HttpRequest): Promise<HttpAnswer> => {
    asked.push(one)
    const headers = { 'set-cookie': ['a', 'b'], 'x-amzn-requestid': '1' }
    return { status: 418, statusLine: '418', headers, body: Buffer.from('x') }
  }
  return { sut: new AwsHttpHandler({ request }), asked }
}

describe('requests of AWS’s SDK', () => {
  it('leave by the way of every other, bounded', async () => {
    const { sut, asked } = handler()
    const signal = new AbortController().signal
    const query = { nextToken: "a'b/=", list: ['1', '2'], flag: null }
    const { response } = await sut.handle({ ...usual, port: 8443, query }, { abortSignal: signal })
    expect(asked).toEqual([
      {
        url: 'https://eks.us-west-2.amazonaws.com:8443/clusters/blue/node-groups?nextToken=a%27b%2F%3D&list=1&list=2&flag',
        method: 'GET',
        headers: usual.headers,
        signal,
        timeoutMs: 20_000,
        maxBytes: 4_194_304,
      },
    ])
    expect(response).toEqual({
      statusCode: 418,
      headers: { 'set-cookie': 'a,b', 'x-amzn-requestid': '1' },
      body: Buffer.from('x'),
    })
  })

  it('carry text or bytes, and nothing else', async () => {
    const { sut, asked } = handler()
    await sut.handle({ ...usual, method: 'POST', body: 'Action=DescribeInstances' })
    expect(asked[0]).toMatchObject({ method: 'POST', body: 'Action=DescribeInstances' })
    await expect(sut.handle({ ...usual, method: 'POST', body: {} })).rejects.toThrow('body')
    await expect(sut.handle({ ...usual, method: 'TRACE' })).rejects.toThrow('method TRACE')
  })
})
