import { writeFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { connect } from 'node:net'
import { join } from 'node:path'
import { loadSystemRoots, proxyFor } from '@mini-spire/sdk/internal/http'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { FakeClock } from '../clock.test-kit.ts'
import { systemClock } from '../clock.ts'
import { HttpScene, issue, type NamedCertificate } from './http.test-kit.ts'
import { HttpClient } from './http-client.ts'

const scene = new HttpScene()
afterEach(() => scene.close())
const folder = (): string => scene.folder()
const listen: HttpScene['listen'] = (server, path) => scene.listen(server, path)

const hello: RequestListener = (request, response) => {
  response.end(`${request.method} ${request.url} ${request.headers.host}`)
}
const textOf = ({ body }: { body: Uint8Array }): string => Buffer.from(body).toString()
const client = (environment = {}): HttpClient => new HttpClient({ environment, clock: systemClock })

let named: NamedCertificate
beforeAll(async () => {
  named = await issue('localhost')
})

describe('the way out', () => {
  it('trusts what SSL_CERT_FILE holds and nothing else', async () => {
    const port = await listen(createTlsServer({ key: named.key, cert: named.cert }, hello))
    const file = join(folder(), 'roots.pem')
    writeFileSync(file, `# comment\n${named.root}`)
    const url = `https://localhost:${port}/a?b`
    const environment = { SSL_CERT_FILE: file, SSL_CERT_DIR: '/nowhere' }
    expect(await loadSystemRoots(environment)).toHaveLength(1)
    expect(textOf(await client(environment).request({ url }))).toBe(`GET /a?b localhost:${port}`)
    await expect(client().request({ url })).rejects.toMatchObject({ code: 'ERR_HTTP_UNREACHABLE' })
    const other = await issue('elsewhere.test')
    const wrong = await listen(createTlsServer({ key: other.key, cert: other.cert }, hello))
    await expect(
      client().request({ url: `https://localhost:${wrong}/`, roots: [other.root] }),
    ).rejects.toMatchObject({ code: 'ERR_HTTP_UNREACHABLE' })
  })

  it('speaks to a Unix socket whatever host the URL names', async () => {
    const path = join(folder(), 's')
    await listen(createServer(hello), path)
    const answer = await client().request({ url: 'http://bundle.test/x', unixSocket: path })
    expect(textOf(answer)).toBe('GET /x bundle.test')
    await expect(
      client().request({ url: 'https://bundle.test/x', unixSocket: path }),
    ).rejects.toMatchObject({ code: 'ERR_HTTP_URL' })
  })

  it('follows no redirect, and an answer of any status is an answer', async () => {
    const port = await listen(
      createServer((_request, response) => {
        response.writeHead(302, { location: 'http://169.254.169.254/' }).end('go there')
      }),
    )
    const answer = await client().request({ url: `http://127.0.0.1:${port}/` })
    expect([answer.status, answer.statusLine, textOf(answer)]).toEqual([
      302,
      '302 Found',
      'go there',
    ])
  })

  it('stops reading at the limit', async () => {
    const port = await listen(
      createServer((_request, response) => {
        const fill = (): void => {
          while (response.write(Buffer.alloc(65_536)));
        }
        response.on('drain', fill)
        fill()
      }),
    )
    await expect(
      client().request({ url: `http://127.0.0.1:${port}/`, maxBytes: 100_000 }),
    ).rejects.toMatchObject({ code: 'ERR_HTTP_TOO_LARGE' })
  })

  it('waits no longer than it may, and ends when it is told to', async () => {
    let arrived: () => void = () => {}
    const port = await listen(createServer(() => arrived()))
    const clock = new FakeClock()
    const http = new HttpClient({ environment: {}, clock })
    const url = `http://127.0.0.1:${port}/`
    arrived = () => clock.advance(1000)
    await expect(http.request({ url, timeoutMs: 1000 })).rejects.toMatchObject({
      code: 'ERR_HTTP_TIMEOUT',
    })
    const ending = new AbortController()
    arrived = () => ending.abort(new Error('enough'))
    await expect(http.request({ url, signal: ending.signal })).rejects.toThrow('enough')
    expect(clock.timerCount).toBe(0)
  })

  it.each(['ftp://a/', 'a', 'file:///etc/passwd', ''])('refuses the URL %j', async (url) => {
    await expect(client().request({ url })).rejects.toMatchObject({ code: 'ERR_HTTP_URL' })
  })

  it('goes through a proxy: a tunnel for https, the whole URL for http', async () => {
    const secure = await issue('bundle.test')
    const target = await listen(createTlsServer({ key: secure.key, cert: secure.cert }, hello))
    const asked: unknown[] = []
    const proxy = createServer((request, response) => {
      asked.push(request.url)
      response.end('plain')
    })
    proxy.on('connect', (request, socket) => {
      asked.push(request.url, request.headers['proxy-authorization'])
      const through = connect(target, '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n')
        through.pipe(socket).pipe(through)
      })
      through.on('error', () => {})
      socket.on('error', () => through.destroy())
    })
    const port = await listen(proxy)
    const environment = {
      HTTPS_PROXY: `http://u:p@127.0.0.1:${port}`,
      HTTP_PROXY: `127.0.0.1:${port}`,
    }
    const http = client(environment)
    const answer = await http.request({ url: 'https://bundle.test/x', roots: [secure.root] })
    expect(textOf(answer)).toBe('GET /x bundle.test')
    expect(textOf(await http.request({ url: 'http://bundle.test/y?z' }))).toBe('plain')
    expect(asked).toEqual(['bundle.test:443', 'Basic dTpw', 'http://bundle.test/y?z'])
  })
})

describe('which proxy', () => {
  const proxied = (url: string, noProxy: string): boolean =>
    proxyFor(new URL(url), { HTTPS_PROXY: 'p:1', http_proxy: 'p:2', NO_PROXY: noProxy }) !==
    undefined

  it.each([
    ['https://a.example/', '', true],
    ['https://a.example/', '*', false],
    ['https://a.example/', 'example', false],
    ['https://a.example/', '.example', false],
    ['https://example/', '.example', true],
    ['https://badexample/', 'example', true],
    ['https://a.example/', ' b , a.example:443 ', false],
    ['https://a.example/', 'a.example:80', true],
    ['http://10.1.2.3/', '10.0.0.0/8', false],
    ['http://11.1.2.3/', '10.0.0.0/8', true],
    ['http://10.1.2.3/', '10.1.2.3', false],
    ['http://[fd00::1]/', 'fd00::/8', false],
    ['http://[fd00::1]/', 'fd00::1', false],
    ['https://localhost/', '', false],
    ['https://127.9.9.9/', '', false],
    ['https://[::1]/', '', false],
  ])('%s with NO_PROXY=%j: %s', (url, noProxy, expected) => {
    expect(proxied(url, noProxy)).toBe(expected)
  })

  it('a proxy of another kind is refused rather than passed by', () => {
    expect(() => proxyFor(new URL('https://a.test'), { HTTPS_PROXY: 'socks5://p' })).toThrow(
      expect.objectContaining({ code: 'ERR_HTTP_PROXY' }),
    )
  })
})
