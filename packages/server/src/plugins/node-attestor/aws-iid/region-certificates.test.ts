import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  defaultRsa1024Certificate,
  rsa1024Certificates,
  rsa2048Certificates,
} from './published-certificates.ts'
import { RegionCertificates } from './region-certificates.ts'

/** Partitions whose certificates AWS publishes nowhere. */
const isolated = /^(us-iso|us-isob|us-isof|eu-isoe)-/
/** Regions that the SDK knows and AWS has published no certificate for yet; a new one here is somebody's decision. */
const unpublished: readonly string[] = ['me-west-1', 'sa-west-1']

/** Regions that AWS's SDK knows, of all partitions. */
function sdkRegions(): readonly string[] {
  const core = dirname(createRequire(import.meta.url).resolve('@aws-sdk/core/package.json'))
  const folder = join(core, 'dist-es/submodules/client/util-endpoints/lib/aws')
  const text = readFileSync(join(folder, 'partitions.js'), 'utf8')
  const found = [...text.matchAll(/"?([a-z]{2,4}(?:-[a-z]+)+-\d)"?\s*:/g)].map(
    ([, region]) => region,
  )
  return [...new Set(found.filter((region) => region !== undefined))].sort()
}

const load = (base64: string): X509Certificate => new X509Certificate(Buffer.from(base64, 'base64'))
const bits = (base64: string): number | undefined =>
  load(base64).publicKey.asymmetricKeyDetails?.modulusLength

describe('certificates of regions', () => {
  it('are there for every region that AWS’s SDK knows', () => {
    const regions = sdkRegions()
    expect(regions).toEqual(
      expect.arrayContaining(['us-east-1', 'cn-north-1', 'us-gov-west-1', 'eusc-de-east-1']),
    )
    const wanted = regions.filter(
      (region) => !isolated.test(region) && !unpublished.includes(region),
    )
    expect(wanted.filter((region) => !Object.hasOwn(rsa2048Certificates, region))).toEqual([])
    expect(wanted.filter((region) => !Object.hasOwn(rsa1024Certificates, region))).toEqual([])
  })

  it('are of RSA-2048, with a key for each region, and of RSA-1024', () => {
    const [long, short] = [Object.values(rsa2048Certificates), Object.values(rsa1024Certificates)]
    expect([long.length, short.length]).toEqual([39, 39])
    expect(new Set(long.map(bits))).toEqual(new Set([2048]))
    expect(new Set([...short, defaultRsa1024Certificate].map(bits))).toEqual(new Set([1024]))
    const keys = long.map((one) =>
      load(one).publicKey.export({ type: 'spki', format: 'der' }).toString('hex'),
    )
    expect(new Set(keys).size).toBe(39)
  })

  it('are Amazon’s own, signed by their own keys', () => {
    for (const one of [
      ...Object.values(rsa2048Certificates),
      ...Object.values(rsa1024Certificates),
    ]) {
      const certificate = load(one)
      expect(certificate.verify(certificate.publicKey)).toBe(true)
      expect(certificate.subject).toMatch(/^O=Amazon(\.com Inc\.| Web Services LLC)$/m)
    }
  })

  it('are found by the exact name of a region only', () => {
    const certificates = RegionCertificates.published()
    for (const region of ['US-EAST-1', 'us-east-1 ', '', '__proto__', 'hasOwnProperty']) {
      expect(certificates.findRsa2048(region)).toBeUndefined()
    }
    expect(certificates.findRsa2048('us-east-1')).toBeInstanceOf(Uint8Array)
  })
})
