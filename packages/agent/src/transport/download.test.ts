import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer as createPlainServer, type RequestListener } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@mini-spire/runtime/clock'
import { HttpClient } from '@mini-spire/runtime/http/http-client'
import { TestCa } from '@mini-spire/sdk/testing'
import { pemEncode } from '@mini-spire/sdk/x509'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createDownload } from './download.ts'

const ca = TestCa.create('example.org')
const maxBytes = 4 * 1024 * 1024
let folder: string
let environment: Record<string, string>
const closers: (() => unknown)[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'download-'))
  closers.push(() => rm(folder, { recursive: true, force: true }))
  const roots = join(folder, 'roots.pem')
  await writeFile(roots, pemEncode('CERTIFICATE', ca.certificate.raw))
  environment = { SSL_CERT_FILE: roots, SSL_CERT_DIR: folder }
})
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

async function listen(server: Server & { closeAllConnections(): void }, at: number | string = 0) {
  closers.push(() => {
    server.close()
    server.closeAllConnections()
  })
  await new Promise<void>((resolve) => void server.listen(at, () => resolve()))
}

async function serve(listener: RequestListener): Promise<string> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const publicKey = createPublicKey(privateKey)
  const chain = ca.issueChain({ publicKey, dnsNames: ['localhost'] })
  const cert = chain.map((der) => pemEncode('CERTIFICATE', der)).join('')
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' })
  const server = createServer({ key, cert }, listener)
  await listen(server)
  return `https://localhost:${(server.address() as AddressInfo).port}/bundle`
}

function get(url: string, unixSocket?: string): Promise<string> {
  const http = new HttpClient({ environment, clock: systemClock })
  const { signal } = new AbortController()
  return createDownload(http)(url, { unixSocket, signal })
}

const failsWith = (message: string | RegExp) => ({
  code: 'ERR_BOOTSTRAP_BUNDLE',
  message: expect.stringMatching(message),
})

describe('a bundle is not taken', () => {
  it('from a server that the roots in SSL_CERT_FILE do not vouch for', async () => {
    const url = await serve((_, response) => response.end('bundle'))
    environment = { SSL_CERT_FILE: join(folder, 'none'), SSL_CERT_DIR: join(folder, 'none') }
    await expect(get(url)).rejects.toMatchObject(
      failsWith(/^unable to fetch trust bundle URL https:\/\/localhost:\d+\/bundle: /),
    )
  })

  it('from a server with another name', async () => {
    const url = await serve((_, response) => response.end('bundle'))
    await expect(get(url.replace('localhost', '127.0.0.1'))).rejects.toMatchObject(
      failsWith('^unable to fetch trust bundle URL '),
    )
  })

  it.each([404, 500, 204])('with status %i', async (status) => {
    const url = await serve((_, response) => response.writeHead(status).end())
    await expect(get(url)).rejects.toMatchObject(
      failsWith(`^error downloading trust bundle: ${status} `),
    )
  })

  it('from where a redirect leads: nobody asks there', async () => {
    let asked = 0
    const elsewhere = await serve((_, response) => {
      asked++
      response.end('bundle')
    })
    const url = await serve((_, response) => response.writeHead(302, { location: elsewhere }).end())
    await expect(get(url)).rejects.toMatchObject(failsWith('302 Found$'))
    expect(asked).toBe(0)
  })

  it('when it is longer than any bundle', async () => {
    const url = await serve((_, response) => response.end(Buffer.alloc(maxBytes + 1)))
    await expect(get(url)).rejects.toMatchObject(failsWith(`longer than ${maxBytes} bytes`))
  })

  it('by https over a Unix socket', async () => {
    await expect(get('https://helper/', join(folder, 'socket'))).rejects.toMatchObject(
      failsWith('a Unix socket is spoken to over http'),
    )
  })
})

describe('a bundle is taken', () => {
  it('over https, as long as it may be', async () => {
    const url = await serve((_, response) => response.end(Buffer.alloc(maxBytes, 'x')))
    expect(await get(url)).toHaveLength(maxBytes)
  })

  it('over http from a Unix socket, whatever proxy there is', async () => {
    const server = createPlainServer((request, response) => response.end(request.url))
    const path = join(folder, 'socket')
    await listen(server, path)
    environment = { HTTP_PROXY: 'http://127.0.0.1:1' }
    expect(await get('http://helper/bundle?a=b', path)).toBe('/bundle?a=b')
  })
})
