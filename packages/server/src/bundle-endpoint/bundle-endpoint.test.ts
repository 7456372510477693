import { createPublicKey } from 'node:crypto'
import { request as httpsRequest } from 'node:https'
import { systemClock } from '@mini-spire/runtime/clock'
import { HttpsListener } from '@mini-spire/runtime/https/https-listener'
import { silentLogger } from '@mini-spire/runtime/log/logger'
import { SpiffeBundle } from '@mini-spire/sdk/bundle'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { TestCa } from '@mini-spire/sdk/testing'
import { pemEncode } from '@mini-spire/sdk/x509'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { trustBundleOf } from '../federation/spiffe-bundle.ts'
import type { TrustBundle } from '../model/trust-bundle.ts'
import { bundleDocument, bundleResponder } from './bundle-responder.ts'
import { type ShownSvid, SvidCertificate } from './svid-certificate.ts'

const ca = TestCa.create('example.org')

function newSvid(): ShownSvid {
  const { privateKey, chain } = ca.issueX509Svid('/spire/server')
  return { key: privateKey, chain: chain.map(({ raw }) => raw) }
}

let bundle: TrustBundle | undefined
let svid: ShownSvid
let listener: HttpsListener
let port: number
beforeEach(async () => {
  bundle = { ...trustBundleOf(ca.bundle), sequenceNumber: 3 }
  svid = newSvid()
  listener = new HttpsListener({
    host: '127.0.0.1',
    port: 0,
    certificate: new SvidCertificate(() => svid),
    answer: bundleResponder({
      bundle: () => bundle,
      refreshHintSeconds: 300,
      log: silentLogger,
    }),
    clock: systemClock,
    log: silentLogger,
  })
  port = (await listener.listen()).port
})
afterEach(async () => {
  await listener[Symbol.asyncDispose]()
})

interface Answer {
  readonly status: number | undefined
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: string
  /** Serial number of the certificate that was shown. */
  readonly serial: string | undefined
}

function ask(
  path: string,
  { method = 'GET', headers = {} }: { method?: string; headers?: Record<string, string> } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = {
      host: '127.0.0.1',
      port,
      path,
      method,
      headers,
      ca: [pemEncode('CERTIFICATE', ca.certificate.raw)],
      checkServerIdentity: () => undefined,
      agent: false as const,
    }
    const sent = httpsRequest(options, (response) => {
      const shown = (
        response.socket as { getPeerX509Certificate?(): { serialNumber: string } }
      ).getPeerX509Certificate?.()
      let body = ''
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text
      })
      response.once('end', () => {
        const { statusCode: status, headers: got } = response
        resolve({ status, headers: got, body, serial: shown?.serialNumber })
      })
    })
    sent.once('error', reject)
    sent.end()
  })
}

describe('the bundle endpoint', () => {
  it('serves the bundle as SPIRE lays it out', async () => {
    const { status, headers, body } = await ask('/')
    expect(status).toBe(200)
    expect(headers['content-type']).toBe('application/json')
    expect(headers['cache-control']).toBeUndefined()
    const { x, y, crv } = createPublicKey(ca.privateKey).export({ format: 'jwk' })
    const x5c = Buffer.from(ca.certificate.raw).toString('base64')
    const jwt = createPublicKey(ca.jwtKey).export({ format: 'jwk' })
    expect(body).toBe(`{
    "keys": [
        {
            "use": "x509-svid",
            "kty": "EC",
            "crv": "${crv}",
            "x": "${x}",
            "y": "${y}",
            "x5c": [
                "${x5c}"
            ]
        },
        {
            "use": "jwt-svid",
            "kty": "EC",
            "kid": "${ca.jwtKeyId}",
            "crv": "P-256",
            "x": "${jwt.x}",
            "y": "${jwt.y}"
        }
    ],
    "spiffe_sequence": 3,
    "spiffe_refresh_hint": 300
}`)
  })

  it('is read back as what it says, tainted authorities among it', async () => {
    const { body } = await ask('/?anything')
    const read = SpiffeBundle.parse(TrustDomain.parse('example.org'), body)
    expect(read.x509.equals(ca.x509Bundle)).toBe(true)
    const tainted = trustBundleOf(ca.bundle).x509Authorities.map((one) => ({
      ...one,
      tainted: true,
    }))
    if (bundle) bundle = { ...bundle, x509Authorities: tainted }
    expect((await ask('/')).body).toBe(body)
  })

  it('always has keys, and leaves out what is nothing', () => {
    const trustDomain = TrustDomain.parse('example.org')
    const empty = {
      trustDomain,
      x509Authorities: [],
      jwtAuthorities: [],
      refreshHintSeconds: 7,
      sequenceNumber: 0,
    }
    expect(bundleDocument(empty, 0)).toBe('{\n    "keys": []\n}')
  })

  it.each([
    ['POST', '/', 405, '405 method not allowed\n'],
    ['HEAD', '/', 405, ''],
    ['PUT', '/other', 405, '405 method not allowed\n'],
    ['GET', '/other', 404, '404 page not found\n'],
    ['GET', '//', 404, '404 page not found\n'],
    ['GET', '/%00', 404, '404 page not found\n'],
    ['GET', '/%zz', 404, '404 page not found\n'],
  ])('answers %s %s with %i', async (method, path, status, body) => {
    const answer = await ask(path, { method })
    expect([answer.status, answer.body]).toEqual([status, body])
    expect(answer.headers).toMatchObject({
      'content-type': 'text/plain; charset=utf-8',
      'x-content-type-options': 'nosniff',
    })
  })

  it('says so when there is no bundle yet, or one that cannot be written', async () => {
    const whole = bundle
    bundle = undefined
    expect(await ask('/')).toMatchObject({
      status: 500,
      body: '500 unable to retrieve local bundle\n',
    })
    if (!whole) throw new Error('no bundle')
    bundle = { ...whole, x509Authorities: [{ certificate: Buffer.of(1), tainted: false }] }
    expect(await ask('/')).toMatchObject({
      status: 500,
      body: '500 unable to marshal local bundle\n',
    })
  })

  it('spares a client that has this version, and no other [RFC 9110 13.1.2]', async () => {
    const { etag } = (await ask('/')).headers
    const known = { headers: { 'if-none-match': `"x", W/${String(etag)}` } }
    expect(await ask('/', known)).toMatchObject({ status: 304, body: '', headers: { etag } })
    if (bundle) bundle = { ...bundle, sequenceNumber: 4 }
    const newer = await ask('/', known)
    expect(newer.status).toBe(200)
    expect(newer.body).toContain('"spiffe_sequence": 4')
  })

  it('shows the X509-SVID of the moment', async () => {
    const first = await ask('/')
    svid = newSvid()
    const second = await ask('/')
    expect(second.serial).not.toBe(first.serial)
    expect((await ask('/')).serial).toBe(second.serial)
  })
})
