import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { parseConfig } from '@mini-spire/runtime/config/parse'
import { silentLogger } from '@mini-spire/runtime/log/logger'
import { buildCsr } from '@mini-spire/runtime/x509/csr'
import { TestCa } from '@mini-spire/sdk/testing'
import { parseCertificate, pemEncode, verifyChain } from '@mini-spire/sdk/x509'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { upstreamAuthorityContract } from '../upstream-authority.contract.ts'
import { DiskUpstreamAuthority } from './disk-authority.ts'
import { readDiskConfig } from './disk-config.ts'

const clock = new FakeClock()
const now = (): Date => clock.now()
const day = 24 * 3600
let folder: string
let ca: TestCa

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'disk-ua-'))
  ca = TestCa.create('example.org', { now })
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const at = (name: string): string => join(folder, name)
const pemOf = (...cas: readonly TestCa[]): string =>
  cas.map(({ certificate }) => pemEncode('CERTIFICATE', certificate.raw)).join('')

function write(files: {
  readonly cert?: string
  readonly key?: KeyObject
  readonly bundle?: string
}): void {
  if (files.cert !== undefined) writeFileSync(at('ca.pem'), files.cert)
  if (files.bundle !== undefined) writeFileSync(at('bundle.pem'), files.bundle)
  if (files.key) writeFileSync(at('ca.key'), files.key.export({ type: 'pkcs8', format: 'pem' }))
}

function open(options: { readonly hasBundle?: boolean } = {}): Promise<DiskUpstreamAuthority> {
  const bundle = options.hasBundle ? `bundle_file_path = "${at('bundle.pem')}"` : ''
  const data = parseConfig(
    `cert_file_path = "${at('ca.pem')}" key_file_path = "${at('ca.key')}" ${bundle}`,
  )
  return DiskUpstreamAuthority.open({
    files: readDiskConfig(data),
    trustDomain: ca.trustDomain,
    clock,
    log: silentLogger,
  })
}

async function csr(options: Partial<Parameters<typeof buildCsr>[0]> = {}): Promise<Uint8Array> {
  const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  const uriSan = 'spiffe://example.org'
  return await buildCsr({ key, subject: { commonName: 'server' }, uriSan, ...options })
}

upstreamAuthorityContract({ describe, it, expect }, 'disk', async () => {
  write({ cert: pemOf(ca), key: ca.privateKey })
  return { authority: await open(), now: now() }
})

describe('upstream authority disk', () => {
  it('needs two files named', () => {
    const text = "'cert_file_path' and 'key_file_path' must be set and not empty"
    for (const data of ['', 'cert_file_path = "x"', 'key_file_path = "x"'])
      expect(() => readDiskConfig(parseConfig(data))).toThrow(text)
  })

  it('says which file it cannot use, and why', async () => {
    await expect(open()).rejects.toMatchObject({
      code: 'ERR_UPSTREAM_CONFIG',
      kind: 'invalid-argument',
      message: `unable to load upstream CA key: open ${at('ca.key')}: no such file or directory`,
    })
    write({ key: ca.privateKey })
    await expect(open()).rejects.toThrow(
      `unable to load upstream CA cert: open ${at('ca.pem')}: no such file or directory`,
    )
    write({ cert: 'no certificate' })
    await expect(open()).rejects.toThrow('unable to load upstream CA cert: no PEM blocks')
    write({ cert: pemOf(ca) })
    await expect(open({ hasBundle: true })).rejects.toThrow(
      `unable to load upstream CA bundle: open ${at('bundle.pem')}: no such file or directory`,
    )
  })

  it('refuses a key that is not the certificate’s, an intermediate without roots, and roots that do not fit', async () => {
    const intermediate = ca.createIntermediate()
    write({ key: intermediate.privateKey, cert: pemOf(ca) })
    await expect(open()).rejects.toThrow(
      'unable to load upstream CA: certificate and private key do not match',
    )
    write({ cert: pemOf(intermediate, ca) })
    await expect(open()).rejects.toThrow(
      'with no bundle_file_path configured only self-signed CAs are supported',
    )
    const stranger = TestCa.create('example.org', { now })
    write({ cert: pemOf(intermediate), bundle: pemOf(stranger) })
    await expect(open({ hasBundle: true })).rejects.toThrow(
      'unable to load upstream CA: certificate cannot be validated with the provided bundle or is not self-signed',
    )
  })

  it('refuses a leaf and what has expired', async () => {
    const text = 'certificate cannot be validated with the provided bundle or is not self-signed'
    const leaf = ca.createIntermediate({ isCa: false })
    write({ key: leaf.privateKey, cert: pemOf(leaf), bundle: pemOf(ca) })
    await expect(open({ hasBundle: true })).rejects.toThrow(text)
    const old = TestCa.create('example.org', {
      now,
      root: { notAfter: new Date(clock.nowMs() - 1000) },
    })
    write({ key: old.privateKey, cert: pemOf(old) })
    await expect(open()).rejects.toThrow(text)
  })

  it.each([
    ['names another trust domain', { uriSan: 'spiffe://other.org' }],
    ['names a workload', { uriSan: 'spiffe://example.org/web' }],
    ['names nobody', { uriSan: undefined as unknown as string, dnsNames: ['a.example'] }],
  ])('signs no request that %s', async (_, options) => {
    write({ key: ca.privateKey, cert: pemOf(ca) })
    const authority = await open()
    const request = { csr: await csr(options), preferredTtlSeconds: 0 }
    await expect(authority.mintX509Ca(request)).rejects.toMatchObject({
      code: 'ERR_UPSTREAM_FAILED',
      cause: { code: 'ERR_UPSTREAM_CSR_REFUSED' },
    })
  })

  it('signs no request whose sender does not prove its key', async () => {
    write({ key: ca.privateKey, cert: pemOf(ca) })
    const authority = await open()
    const forged = Buffer.from(await csr())
    forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1
    await expect(
      authority.mintX509Ca({ csr: forged, preferredTtlSeconds: 0 }),
    ).rejects.toMatchObject({
      message: expect.stringMatching(/^unable to sign CSR: CSR signature check failed: /),
      cause: { code: 'ERR_UPSTREAM_CSR_REFUSED' },
    })
  })

  it('signs a CA with the subject asked for, for an hour unless asked otherwise, and never past its own end', async () => {
    write({ key: ca.privateKey, cert: pemOf(ca) })
    const authority = await open()
    const lifetime = async (preferredTtlSeconds: number): Promise<number> => {
      const { chain, roots } = await authority.mintX509Ca({ csr: await csr(), preferredTtlSeconds })
      const [minted] = chain.map(parseCertificate)
      if (!minted) throw new Error('no certificate')
      expect(roots).toEqual([{ certificate: ca.certificate.raw, tainted: false }])
      expect(chain).toHaveLength(1)
      expect(minted).toMatchObject({ isCa: true, pathLength: undefined })
      expect(minted.uriSans).toEqual(['spiffe://example.org'])
      verifyChain({ chain: [minted], roots: [ca.certificate], now: now() })
      return (minted.notAfter.getTime() - clock.nowMs()) / 1000
    }
    expect(await lifetime(0)).toBe(3600)
    expect(await lifetime(600)).toBe(600)
    expect(await lifetime(30 * day)).toBe(day)
  })

  it('lets no request make itself more than a CA: its own constraints and key usage stand', async () => {
    write({ key: ca.privateKey, cert: pemOf(ca) })
    const authority = await open()
    const extraExtensions = [
      { oid: '2.5.29.15', value: Buffer.of(3, 2, 7, 0x80), critical: true },
      { oid: '1.3.6.1.4.1.99999.1', value: Buffer.of(5, 0), critical: false },
    ]
    const request = { csr: await csr({ extraExtensions }), preferredTtlSeconds: 0 }
    const [der] = (await authority.mintX509Ca(request)).chain
    const minted = parseCertificate(der ?? Buffer.of())
    expect(minted.keyUsage).toMatchObject({ keyCertSign: true, digitalSignature: false })
    expect(Buffer.from(minted.raw).toString('hex')).toContain('06092b06010401868d1f01')
  })

  it('sends intermediates after the new CA, and no root', async () => {
    const upper = ca.createIntermediate()
    const lower = upper.createIntermediate()
    write({ key: lower.privateKey, cert: pemOf(lower, upper, ca), bundle: pemOf(ca) })
    const authority = await open({ hasBundle: true })
    const minted = await authority.mintX509Ca({ csr: await csr(), preferredTtlSeconds: 0 })
    expect(minted.chain.slice(1)).toEqual([lower.certificate.raw, upper.certificate.raw])
    const chain = minted.chain.map(parseCertificate)
    verifyChain({ chain, roots: [ca.certificate], now: now() })
  })

  it('reads its files anew for each signature, and goes on with the last good ones', async () => {
    write({ key: ca.privateKey, cert: pemOf(ca) })
    const authority = await open()
    const rootOf = async (): Promise<unknown> =>
      (await authority.mintX509Ca({ csr: await csr(), preferredTtlSeconds: 0 })).roots[0]
        ?.certificate
    const next = TestCa.create('example.org', { now })
    write({ cert: pemOf(next) })
    expect(await rootOf()).toEqual(ca.certificate.raw)
    write({ key: next.privateKey })
    expect(await rootOf()).toEqual(next.certificate.raw)
  })

  it('neither publishes JWT authorities nor has a bundle to follow', async () => {
    write({ key: ca.privateKey, cert: pemOf(ca) })
    const authority = await open()
    const unsupported = { kind: 'unimplemented', code: 'ERR_UPSTREAM_UNSUPPORTED' }
    await expect(authority.publishJwtKey()).rejects.toMatchObject({
      ...unsupported,
      message: 'publishing upstream is unsupported',
    })
    await expect(authority.subscribeToLocalBundle().next()).rejects.toMatchObject({
      ...unsupported,
      message: 'fetching upstream trust bundle is unsupported',
    })
  })
})
