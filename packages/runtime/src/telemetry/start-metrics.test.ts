import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { get as getPlain } from 'node:http'
import { get, type RequestOptions } from 'node:https'
import { connect } from 'node:net'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { X509Bundle } from '@mini-spire/sdk/bundle'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { makeTestCertificate, TestCa } from '@mini-spire/sdk/testing'
import { pemEncode } from '@mini-spire/sdk/x509'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FakeClock } from '../clock.test-kit.ts'
import { systemClock } from '../clock.ts'
import type { PrometheusTlsConfig, TelemetryConfig } from '../config/daemon-config.ts'
import { silentLogger } from '../log/logger.ts'
import { publicAuthority } from '../x509/public-authority.test-kit.ts'
import { noMetrics } from './metrics.ts'
import {
  loadPrometheusTls,
  type MetricsIdentity,
  type MetricsTls,
  type OwnSvid,
} from './prometheus-tls.ts'
import { type StartedMetrics, type StartMetricsOptions, startMetrics } from './start-metrics.ts'

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

const trustDomain = TrustDomain.parse('example.org')
const nobody: MetricsIdentity = {
  svid: () => undefined,
  bundles: { findX509Bundle: () => undefined },
}
const quiet: TelemetryConfig = {
  prometheus: undefined,
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

function startWith(
  config: TelemetryConfig,
  more: Partial<StartMetricsOptions> = {},
): Promise<StartedMetrics> {
  return startMetrics({
    config,
    trustDomain,
    service: 'spire_test',
    version: '1',
    identity: nobody,
    requiresPqKem: false,
    clock: systemClock,
    log: silentLogger,
    ...more,
  })
}

function start(
  tls: PrometheusTlsConfig | undefined,
  identity: MetricsIdentity = nobody,
): Promise<StartedMetrics> {
  return startWith({ ...quiet, prometheus: { host: 'localhost', port: 0, tls } }, { identity })
}

function load(config: PrometheusTlsConfig): Promise<MetricsTls> {
  return loadPrometheusTls({ config, identity: nobody, clock: systemClock, requiresPqKem: false })
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
    [
      'with a client that has no SPIFFE ID',
      { useSpireSvid: true, authorizedSpiffeIds: ['http://a'] },
      'invalid authorized SPIFFE ID "http://a": scheme is missing or invalid',
    ],
    [
      'whose file is missing',
      { certFile: '/none/c', keyFile: '/none/c' },
      'open /none/c: no such file or directory',
    ],
  ])('%s', async (_, config, reason) => {
    await expect(start({ ...none, ...config })).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_CONFIG_VALUE', message: `${prefix}${reason}` }),
    )
  })

  it('when key and certificate do not belong together, or are none', async () => {
    const config = await files()
    const other = await file('other.pem', pair(ca).key)
    await expect(load({ ...config, keyFile: other })).rejects.toThrow(`${prefix}tls: `)
    const garbage = await file('garbage.pem', 'garbage')
    await expect(load({ ...config, certFile: garbage })).rejects.toThrow(prefix)
    await expect(load({ ...config, clientCaFile: garbage })).rejects.toThrow(
      `${prefix}no certificates found in file`,
    )
  })
})

describe('a metrics listener with a tls block', () => {
  it('answers nobody in plain text, and others by TLS', async () => {
    await using started = await start(await files())
    const { metrics, listener } = started
    metrics.gauge(['started'], 1)
    const { port } = listener?.address() ?? { port: 0 }
    const plain = new Promise((resolve, reject) => {
      getPlain({ host: 'localhost', port, agent: false }, resolve).on('error', reject)
    })
    await expect(plain).rejects.toThrow(/hang up|reset/i)
    expect(await scrape(port, {})).toContain('spire_test_started{trust_domain="example_org"} 1')
  })

  it('shows nothing beside its own certificate, although OpenSSL has one that would fit', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const der = makeTestCertificate(
      { name: publicAuthority().subjectRaw, privateKey },
      {
        publicKey: createPublicKey(privateKey),
        notBefore: new Date(0),
        notAfter: new Date(1e13),
      },
    )
    const certFile = await file('own.pem', pemEncode('CERTIFICATE', der))
    const keyFile = await file('own.key', pemOf(privateKey))
    await using started = await start({ ...none, certFile, keyFile })
    const { port } = started.listener?.address() ?? { port: 0 }
    const socket = connectTls({ host: 'localhost', port, ca: [], rejectUnauthorized: false })
    await once(socket, 'secureConnect')
    // Read once: that takes it out of what OpenSSL keeps.
    const leaf = socket.getPeerX509Certificate()
    expect([leaf?.raw, leaf?.issuerCertificate]).toEqual([der, undefined])
    socket.destroy()
  })

  it('stops at once while a connection has not ended its handshake', async () => {
    const started = await start(await files())
    const { listener } = started
    const { port } = listener?.address() ?? { port: 0 }
    const halfOpen = connect({ host: 'localhost', port })
    halfOpen.on('error', () => {})
    const closed = once(halfOpen, 'close')
    await once(halfOpen, 'connect')
    // An answer to another shows that the first has been accepted.
    await scrape(port, {})
    await started[Symbol.asyncDispose]()
    await closed
  })

  it('with a client_ca_file answers only clients of that CA', async () => {
    const config = await files()
    await using started = await start({ ...config, clientCaFile: await file('ca.pem', caPem) })
    const { listener } = started
    const { port } = listener?.address() ?? { port: 0 }
    await expect(scrape(port, {})).rejects.toThrow()
    await expect(scrape(port, pair(stranger))).rejects.toThrow()
    expect(await scrape(port, pair(ca))).toBeDefined()
  })
})

/** A daemon's identity, as one whose SVID can be exchanged. */
function daemon(): { svid: OwnSvid | undefined; readonly identity: MetricsIdentity } {
  const bundle = new X509Bundle(trustDomain, [ca.certificate])
  const state: { svid: OwnSvid | undefined; readonly identity: MetricsIdentity } = {
    svid: undefined,
    identity: {
      svid: () => state.svid,
      bundles: { findX509Bundle: (one) => (one.equals(trustDomain) ? bundle : undefined) },
    },
  }
  return state
}

function ownSvid(path: string, issuer: TestCa = ca): OwnSvid {
  const { privateKey, chain } = issuer.issueX509Svid(path, { dnsNames: ['localhost'] })
  return { key: privateKey, chain: chain.map(({ raw }) => raw) }
}

function client(svid: OwnSvid): RequestOptions {
  return {
    key: pemOf(svid.key),
    cert: svid.chain.map((der) => pemEncode('CERTIFICATE', der)).join(''),
  }
}

/** An SVID has no name that a client's own check could know. */
const byId: RequestOptions = { checkServerIdentity: () => undefined }

describe('a metrics listener with use_spire_svid', () => {
  it('shows the SVID that the daemon has now, once it has one', async () => {
    const own = daemon()
    await using started = await start({ ...none, useSpireSvid: true }, own.identity)
    const { port } = started.listener?.address() ?? { port: 0 }
    await expect(scrape(port, byId)).rejects.toThrow()
    const shown = (): Promise<string> =>
      new Promise((resolve, reject) => {
        const request = get({ host: 'localhost', port, ca: caPem, agent: false, ...byId })
        request.on('error', reject)
        request.on('socket', (socket: TLSSocket) => {
          socket.once('secureConnect', () => {
            resolve(socket.getPeerCertificate().subjectaltname ?? '')
          })
        })
        request.on('response', (response) => response.resume())
      })
    own.svid = ownSvid('/one')
    expect(await shown()).toBe('DNS:localhost, URI:spiffe://example.org/one')
    own.svid = ownSvid('/two')
    expect(await shown()).toBe('DNS:localhost, URI:spiffe://example.org/two')
  })

  it.each([true, false])('answers the authorized SPIFFE IDs only (own SVID: %s)', async (isOwn) => {
    const own = daemon()
    own.svid = ownSvid('/spire/server')
    const shown = isOwn ? { ...none, useSpireSvid: true } : await files()
    const authorizedSpiffeIds = ['spiffe://example.org/prometheus']
    await using started = await start({ ...shown, authorizedSpiffeIds }, own.identity)
    const { port } = started.listener?.address() ?? { port: 0 }
    await expect(scrape(port, byId)).rejects.toThrow()
    await expect(scrape(port, { ...byId, ...client(ownSvid('/other')) })).rejects.toThrow()
    await expect(scrape(port, { ...byId, ...pair(stranger) })).rejects.toThrow()
    await expect(
      scrape(port, { ...byId, ...client(ownSvid('/prometheus', stranger)) }),
    ).rejects.toThrow()
    expect(await scrape(port, { ...byId, ...client(ownSvid('/prometheus')) })).toContain(
      'spire_test_started',
    )
  })
})

describe('metrics', () => {
  it('tell of the start, the time since, and the process, with the labels that are asked for', async () => {
    const clock = new FakeClock()
    const prometheus = { host: 'localhost', port: 0, tls: undefined }
    const config = { ...quiet, prometheus, metricPrefix: 'pre.fix', hasHostnameLabel: true }
    await using started = await startWith(config, { clock })
    clock.advance(10_000)
    const { port } = started.listener?.address() ?? { port: 0 }
    const body = await new Promise<string>((resolve, reject) => {
      getPlain({ host: 'localhost', port, agent: false }, (response) => {
        text(response).then(resolve, reject)
      }).on('error', reject)
    })
    const host = `host="${hostname()}"`
    expect(body).toContain(
      `pre_fix_started{${host},trust_domain="example_org",trust_domain_id="example_org",version="1"} 1\n`,
    )
    expect(body).toContain(`pre_fix_uptime_in_ms{${host},trust_domain="example_org"} 10000\n`)
    for (const name of ['num_goroutines', 'alloc_bytes', 'sys_bytes', 'heap_objects'])
      expect(body).toMatch(new RegExp(`^pre_fix_runtime_${name}\\{${host}\\} [1-9]\\d*$`, 'm'))
    for (const name of ['total_gc_pause_ns', 'total_gc_runs'])
      expect(body).toMatch(new RegExp(`^pre_fix_runtime_${name}\\{${host}\\} \\d+$`, 'm'))
    expect(body).toContain('\nprocess_resident_memory_bytes ')
  })

  it('are counted on when the port is taken, with SPIRE’s warning', async () => {
    const prometheus = { host: 'localhost', port: 0, tls: undefined }
    await using first = await startWith({ ...quiet, prometheus })
    const { port } = first.listener?.address() ?? { port: 0 }
    const lines: string[] = []
    const log = { ...silentLogger, warn: (message: string) => void lines.push(message) }
    const config = { ...quiet, prometheus: { ...prometheus, port } }
    await using second = await startWith(config, { log })
    expect(second.listener).toBeUndefined()
    second.metrics.count(['a'])
    expect(lines).toEqual([
      `Prometheus listener stopped unexpectedly: listen tcp localhost:${port}: bind: address already in use`,
    ])
  })

  it('in memory are dumped into the log on SIGUSR1, and not after the end', async () => {
    const clock = new FakeClock()
    const lines: string[] = []
    const log = { ...silentLogger, info: (message: string) => void lines.push(message) }
    const started = await startWith({ ...quiet, isInMemEnabled: true }, { clock, log })
    clock.advance(1_000)
    process.emit('SIGUSR1', 'SIGUSR1')
    expect(lines.join('\n')).toContain("[G] 'spire_test.started.1.example_org.example_org': 1.000")
    await started[Symbol.asyncDispose]()
    const before = lines.length
    process.emit('SIGUSR1', 'SIGUSR1')
    expect(lines).toHaveLength(before)
    expect(clock.timerCount).toBe(0)
  })

  it('are not counted when nobody asked for them', async () => {
    await using started = await startWith(quiet)
    expect(started.metrics).toBe(noMetrics)
  })
})
