import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../clock.ts'
import { silentLogger } from '../log/logger.ts'
import { HttpListener } from './http-listener.ts'
import { serveContent } from './serve-content.ts'

const modified = 'Mon, 30 Nov 2026 00:00:00 GMT'
const listener = new HttpListener({
  address: { host: '127.0.0.1', port: 0 },
  answer: (request, response) =>
    serveContent(request, response, {
      body: Buffer.from('0123456789'),
      type: 'text/x',
      modifiedAt: new Date(Date.parse(modified) + 999),
      headers: { 'cache-control': 'no-store' },
    }),
  clock: systemClock,
  log: silentLogger,
})
let port: number
beforeAll(async () => {
  port = (await listener.listen()).port
})
afterAll(async () => await listener[Symbol.asyncDispose]())

interface Answer {
  readonly status: number | undefined
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

function ask(headers: Readonly<Record<string, string>>): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest({ host: '127.0.0.1', port, headers, agent: false }, (response) => {
      const { statusCode: status, headers: got } = response
      text(response).then((body) => resolve({ status, headers: got, body }), reject)
    })
    sent.once('error', reject)
    sent.end()
  })
}

// What Go's file server answers, as SPIRE's provider was seen to do: test/cli/transcripts/oidc.
describe('a document', () => {
  it.each([
    [{}, 200, '0123456789'],
    [{ range: 'bytes=0-3' }, 206, '0123'],
    [{ range: 'bytes=8-' }, 206, '89'],
    [{ range: 'bytes=-2' }, 206, '89'],
    [{ range: 'bytes=-99' }, 206, '0123456789'],
    [{ range: 'bytes=4-99' }, 206, '456789'],
    [{ range: 'bytes=99-' }, 416, 'invalid range: failed to overlap\n'],
    [{ range: 'bytes=3-1' }, 416, 'invalid range\n'],
    [{ range: 'bytes=x' }, 416, 'invalid range\n'],
    [{ range: 'lines=1-2' }, 416, 'invalid range\n'],
    [{ range: 'bytes=' }, 200, '0123456789'],
    [{ range: 'bytes=0-1,4-5' }, 200, '0123456789'],
    [{ range: `bytes=${'0-1,'.repeat(1500)}` }, 200, '0123456789'],
    [{ range: 'bytes=0-3', 'if-range': modified }, 206, '0123'],
    [{ range: 'bytes=0-3', 'if-range': '"tag"' }, 200, '0123456789'],
    [{ 'if-modified-since': modified }, 304, ''],
    [{ 'if-modified-since': 'Mon, 30 Nov 2099 00:00:00 GMT' }, 304, ''],
    [{ 'if-modified-since': 'Sun, 29 Nov 2026 00:00:00 GMT' }, 200, '0123456789'],
    [{ 'if-modified-since': 'yesterday' }, 200, '0123456789'],
    [{ 'if-unmodified-since': modified }, 200, '0123456789'],
    [{ 'if-unmodified-since': 'Sun, 29 Nov 2026 00:00:00 GMT' }, 412, ''],
    [{ 'if-none-match': '*' }, 304, ''],
    [{ 'if-none-match': '"a"', 'if-modified-since': modified }, 200, '0123456789'],
    [{ 'if-match': '*' }, 200, '0123456789'],
    [{ 'if-match': '"a"' }, 412, ''],
  ])('asked for with %j is answered with %i', async (headers, status, body) => {
    const answer = await ask(headers as Record<string, string>)
    expect([answer.status, answer.body]).toEqual([status, body])
    expect(answer.headers['last-modified']).toBe(status === 416 ? undefined : modified)
    expect(answer.headers['cache-control']).toBe(status === 416 ? undefined : 'no-store')
  })
})
