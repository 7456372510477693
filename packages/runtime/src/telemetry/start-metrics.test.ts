import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { get as getPlain } from 'node:http'
import { get, type RequestOptions } from 'node:https'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { TestCa } from '@mini-spire/sdk/testing'
import { pemEncode } from '@mini-spire/sdk/x509'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PrometheusTlsConfig, TelemetryConfig } from '../config/daemon-config.ts'
import { silentLogger } from '../log/logger.ts'
import { loadPrometheusTls } from './prometheus-tls.ts'
import { type StartedMetrics, startMetrics } from './start-metrics.ts'

const ca = TestCa.create('example.org')
const stranger = TestCa.create('example.org')
const caPem = pemEncode('CERTIFICATE', ca.certificate.raw)
let folder: string
let none: PrometheusTlsConfig

function pair(issuer: TestCa): { readonly key: string; readonly cert: string } {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const publicKey = createPublicKey(privateKey)
  const chain = issuer.issueChain({ publicKey, dnsNames: ['localhost'] })
  return {
    key: pemOf(privateKey),
    cert: chain.map((der) => pemEncode('CERTIFICATE', der)).join(''),
  }
}

function pemOf(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString()
}

async function file(name: string, content: string): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, content)
  return path
}

async function files(): Promise<PrometheusTlsConfig> {
  const { key, cert } = pair(ca)
  const [certFile, keyFile] = [await file('cert.pem', cert), await file('key.pem', key)]
  return { ...none, certFile, keyFile }
}

function start(tls: PrometheusTlsConfig | undefined): Promise<StartedMetrics> {
  const config: TelemetryConfig = {
    prometheus: { host: 'localhost', port: 0, tls },
    dogStatsdAddresses: [],
    statsdAddresses: [],
    m3: [],
    isInMemEnabled: false,
    metricPrefix: '',
    hasTrustDomainLabel: true,
    hasHostnameLabel: false,
    allowedPrefixes: [],
    blockedPrefixes: [],
    allowedLabels: [],
    blockedLabels: [],
  }
  const trustDomain = TrustDomain.parse('example.org')
  return startMetrics({ config, trustDomain, defaultPrefix: 'spire_test', log: silentLogger })
}

function scrape(port: number, options: RequestOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ host: 'localhost', port, ca: caPem, agent: false, ...options }, (response) => {
      text(response).then(resolve, reject)
    }).on('error', reject)
  })
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'metrics-'))
  none = {
    certFile: '',
    keyFile: '',
    clientCaFile: '',
    useSpireSvid: false,
    authorizedSpiffeIds: [],
  }
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe('a tls block that cannot be honoured is refused', () => {
  const prefix = 'failed to create TLS config for Prometheus: '
  const pairMissing =
    'cert_file and key_file must both be configured unless use_spire_svid is enabled'
  const spiffe = ' is not supported by mini-spire; use cert_file, key_file and client_ca_file'

  it.each<[string, Partial<PrometheusTlsConfig>, string]>([
    ['without files', {}, pairMissing],
    ['with a certificate only', { certFile: 'c' }, pairMissing],
    [
      'with files and the own SVID',
      { keyFile: 'k', useSpireSvid: true },
      'cert_file and key_file cannot be configured when use_spire_svid is enabled',
    ],
    [
      'with two kinds of clients',
      { certFile: 'c', keyFile: 'k', clientCaFile: 'a', authorizedSpiffeIds: ['spiffe://a/b'] },
      'client_ca_file cannot be configured with authorized_spiffe_ids',
    ],
    ['with the own SVID', { useSpireSvid: true }, `use_spire_svid${spiffe}`],
    [
      'with clients by SPIFFE ID',
      { certFile: 'c', keyFile: 'k', authorizedSpiffeIds: ['spiffe://a/b'] },
      `authorized_spiffe_ids${spiffe}`,
    ],
    [
      'whose file is missing',
      { certFile: '/none/c', keyFile: '/none/c' },
      'open /none/c: no such file or directory',
    ],
  ])('%s', async (_, config, reason) => {
    await expect(start({ ...none, ...config })).rejects.toThrow(`${prefix}${reason}`)
  })

  it('when key and certificate do not belong together, or are none', async () => {
    const config = await files()
    const other = await file('other.pem', pair(ca).key)
    await expect(loadPrometheusTls({ ...config, keyFile: other })).rejects.toThrow(`${prefix}tls: `)
    const garbage = await file('garbage.pem', 'garbage')
    await expect(loadPrometheusTls({ ...config, certFile: garbage })).rejects.toThrow(prefix)
    await expect(loadPrometheusTls({ ...config, clientCaFile: garbage })).rejects.toThrow(
      `${prefix}no certificates found in file`,
    )
  })
})

describe('a metrics listener with a tls block', () => {
  it('answers nobody in plain text, and others by TLS', async () => {
    const { metrics, listener } = await start(await files())
    await using _ = listener
    metrics.gauge(['started'], 1)
    const { port } = listener?.address() ?? { port: 0 }
    const plain = new Promise((resolve, reject) => {
      getPlain({ host: 'localhost', port, agent: false }, resolve).on('error', reject)
    })
    await expect(plain).rejects.toThrow(/hang up|reset/i)
    expect(await scrape(port, {})).toContain('spire_test_started{trust_domain="example_org"} 1')
  })

  it('stops at once while a connection has not ended its handshake', async () => {
    const { listener } = await start(await files())
    const { port } = listener?.address() ?? { port: 0 }
    const halfOpen = connect({ host: 'localhost', port })
    halfOpen.on('error', () => {})
    const closed = once(halfOpen, 'close')
    await once(halfOpen, 'connect')
    // An answer to another shows that the first has been accepted.
    await scrape(port, {})
    await listener?.[Symbol.asyncDispose]()
    await closed
  })

  it('with a client_ca_file answers only clients of that CA', async () => {
    const config = await files()
    const { listener } = await start({ ...config, clientCaFile: await file('ca.pem', caPem) })
    await using _ = listener
    const { port } = listener?.address() ?? { port: 0 }
    await expect(scrape(port, {})).rejects.toThrow()
    await expect(scrape(port, pair(stranger))).rejects.toThrow()
    expect(await scrape(port, pair(ca))).toBeDefined()
  })
})
