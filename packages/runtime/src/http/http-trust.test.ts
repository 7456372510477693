import { X509Certificate } from 'node:crypto'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { TLSSocket } from 'node:tls'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../clock.ts'
import { HttpScene, issue, type NamedCertificate } from './http.test-kit.ts'
import { HttpClient } from './http-client.ts'

const scene = new HttpScene()
afterEach(() => scene.close())

let named: NamedCertificate
beforeAll(async () => {
  named = await issue('localhost')
})

const client = (environment = {}): HttpClient => new HttpClient({ environment, clock: systemClock })
const textOf = ({ body }: { body: Uint8Array }): string => Buffer.from(body).toString()

/** A server on `localhost` that the test's root vouches for. */
async function serve(listener: RequestListener, options = {}): Promise<string> {
  const { key, cert } = named
  const port = await scene.listen(createTlsServer({ key, cert, ...options }, listener))
  return `https://localhost:${port}`
}

describe('a judge of its own in place of roots', () => {
  it('sees the chain before anything is sent, and its refusal is the end', async () => {
    let requests = 0
    const url = await serve((_request, response) => {
      requests++
      response.end('secret')
    })
    const refusal = new Error('not my server')
    const refused = client().request({
      url,
      verifyServer: () => {
        throw refusal
      },
    })
    await expect(refused).rejects.toMatchObject({
      code: 'ERR_HTTP_SERVER_REFUSED',
      message: 'the server at localhost is not the one expected: not my server',
      cause: refusal,
    })
    expect(requests).toBe(0)
  })

  it('accepts a server that no root vouches for, whatever its name', async () => {
    const url = (await serve((_request, response) => response.end('hello'))).replace(
      'localhost',
      '127.0.0.1',
    )
    const chains: (readonly Uint8Array[])[] = []
    const answer = await client().request({ url, verifyServer: (chain) => chains.push(chain) })
    expect(textOf(answer)).toBe('hello')
    expect(chains.map(([leaf]) => new X509Certificate(leaf ?? '').toString())).toEqual([named.cert])
  })

  it('is told all that the server sent, also behind a certificate that comes twice', async () => {
    const cert = named.cert.repeat(2) + named.root
    const url = await serve((_request, response) => response.end(), { cert })
    const sent: string[] = []
    const verifyServer = (chain: readonly Uint8Array[]): void => {
      sent.push(...chain.map((der) => new X509Certificate(der).toString()))
    }
    await client().request({ url, verifyServer })
    expect(sent).toEqual([named.cert, named.cert, named.root])
  })
})

describe('a client certificate', () => {
  it('is presented to the server of the URL', async () => {
    const own = await issue('client.test')
    const subject = ({ socket }: IncomingMessage): string =>
      String((socket as TLSSocket).getPeerCertificate().subject?.CN)
    const url = await serve((request, response) => response.end(subject(request)), {
      requestCert: true,
      ca: own.root,
    })
    const clientCertificate = { chain: own.cert, key: own.key }
    const roots = [named.root]
    expect(textOf(await client().request({ url, roots, clientCertificate }))).toBe('client.test')
    await expect(client().request({ url, roots })).rejects.toMatchObject({
      code: 'ERR_HTTP_UNREACHABLE',
    })
  })
})

describe('redirects that are asked for', () => {
  const redirectTo =
    (location: string, status = 302): RequestListener =>
    (_request, response) =>
      void response.writeHead(status, { location }).end()

  it('are followed as often as allowed, relative ones too, each one judged', async () => {
    const url = await serve((request, response) => {
      const step = Number(request.url?.slice(1))
      if (step === 3) response.end('arrived')
      else redirectTo(`/${step + 1}`, 307)(request, response)
    })
    const checked: string[] = []
    let judged = 0
    const request = {
      url: `${url}/0`,
      verifyServer: () => judged++,
      redirects: { max: 3, check: (next: URL) => checked.push(next.pathname) },
    }
    expect(textOf(await client().request(request))).toBe('arrived')
    expect([checked, judged]).toEqual([['/1', '/2', '/3'], 4])
    await expect(client().request({ ...request, redirects: { max: 2 } })).rejects.toMatchObject({
      code: 'ERR_HTTP_REDIRECT',
    })
  })

  it('never lead out of https, nor where the check says no', async () => {
    let isAsked = false
    const plain = await scene.listen(
      createServer((_request, response) => {
        isAsked = true
        response.end()
      }),
    )
    const roots = [named.root]
    const out = await serve(redirectTo(`http://127.0.0.1:${plain}/`))
    await expect(
      client().request({ url: out, roots, redirects: { max: 3 } }),
    ).rejects.toMatchObject({ code: 'ERR_HTTP_REDIRECT' })
    const away = await serve(redirectTo('https://metadata.test/'))
    const check = (next: URL): void => {
      throw new Error(`not ${next.hostname}`)
    }
    await expect(
      client().request({ url: away, roots, redirects: { max: 3, check } }),
    ).rejects.toThrow('redirects to where it may not: not metadata.test')
    expect(isAsked).toBe(false)
  })

  it('show another origin neither the certificate nor headers of the request', async () => {
    const own = await issue('client.test')
    const seen: unknown[] = []
    const second = await serve(
      (request, response) => {
        const { subject } = (request.socket as TLSSocket).getPeerCertificate()
        seen.push(request.headers.authorization, request.headers['x-vault-token'], subject)
        response.end(request.headers.accept)
      },
      { requestCert: true, rejectUnauthorized: false },
    )
    const first = await serve(redirectTo(second))
    const answer = await client().request({
      url: first,
      roots: [named.root],
      headers: { Authorization: 'Bearer t', 'X-Vault-Token': 't', Accept: 'application/json' },
      clientCertificate: { chain: own.cert, key: own.key },
      redirects: { max: 1 },
    })
    expect(textOf(answer)).toBe('application/json')
    expect(seen).toEqual([undefined, undefined, undefined])
  })

  it('are not followed for a request that changes something', async () => {
    const url = await serve(redirectTo('/elsewhere', 308))
    const answer = await client().request({
      url,
      method: 'POST',
      body: 'x',
      roots: [named.root],
      redirects: { max: 3 },
    })
    expect(answer.status).toBe(308)
  })
})

describe('a check of addresses', () => {
  const refuse = (address: string): void => {
    if (address === '127.0.0.1' || address === '::1') throw new Error(`${address} is private`)
  }

  it.each(['localhost', '127.0.0.1'])(
    'keeps the request from %s, and nothing arrives',
    async (host) => {
      let connections = 0
      const server = createServer((_request, response) => response.end())
      server.on('connection', () => connections++)
      const port = await scene.listen(server)
      const url = `http://${host}:${port}/`
      await expect(client().request({ url, checkAddress: refuse })).rejects.toMatchObject({
        code: 'ERR_HTTP_ADDRESS_REFUSED',
      })
      expect(connections).toBe(0)
      const asked: string[] = []
      await client().request({ url, checkAddress: (address) => asked.push(address) })
      expect(asked).toContain('127.0.0.1')
    },
  )

  it('holds for an address in the URL behind a proxy too', async () => {
    const environment = { HTTP_PROXY: 'http://127.0.0.1:1' }
    const request = { url: 'http://10.0.0.1/', checkAddress: () => refuse('127.0.0.1') }
    await expect(client(environment).request(request)).rejects.toMatchObject({
      code: 'ERR_HTTP_ADDRESS_REFUSED',
    })
  })
})
