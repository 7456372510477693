import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { type Logger, silentLogger } from '@mini-spire/runtime/log/logger'
import { SpiffeId, TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { TestCa } from '@mini-spire/sdk/testing'
import { describe, expect, it } from 'vitest'
import type { TrustBundle } from '../model/trust-bundle.ts'
import { ClientCertificates } from './client-certificates.ts'

const clock = new FakeClock()
const now = () => clock.now()
const own = TestCa.create('example.org', { now })
const foreign = TestCa.create('other.org', { now })
const adminId = 'spiffe://other.org/admin'

function bundleOf(ca: TestCa, tainted = false): TrustBundle {
  return {
    trustDomain: ca.trustDomain,
    x509Authorities: [{ certificate: ca.certificate.raw, tainted }],
    jwtAuthorities: [],
    refreshHintSeconds: 0,
    sequenceNumber: 0,
  }
}

function judge(bundles: readonly TrustBundle[], log: Logger = silentLogger): ClientCertificates {
  const byName = new Map(bundles.map((bundle) => [bundle.trustDomain.name, bundle]))
  return new ClientCertificates({
    trustDomain: TrustDomain.parse('example.org'),
    adminIds: [SpiffeId.parse(adminId)],
    findBundle: (name) => byName.get(name),
    clock,
    log,
  })
}

const chainOf = (ca: TestCa, id: string, options = {}): readonly Uint8Array[] =>
  ca.issueX509Svid(id, options).chain.map((one) => one.raw)
const both = [bundleOf(own), bundleOf(foreign)]

describe('a client certificate is refused', () => {
  it.each<[string, readonly Uint8Array[], readonly TrustBundle[]]>([
    ['when there is none', [], both],
    ['when it is none', [Uint8Array.of(1)], both],
    [
      'when another CA signed it',
      chainOf(TestCa.create('example.org', { now }), 'spiffe://example.org/a'),
      both,
    ],
    [
      'when a root of another trust domain signed it [invariant 4]',
      chainOf(foreign, 'spiffe://example.org/a'),
      both,
    ],
    [
      'of another trust domain, unless it is an admin’s',
      chainOf(foreign, 'spiffe://other.org/b'),
      both,
    ],
    ['of an admin whose trust domain has no bundle', chainOf(foreign, adminId), [bundleOf(own)]],
    ['of an admin that our own root signed', chainOf(own, adminId), both],
    ['when it has expired', chainOf(own, 'spiffe://example.org/a', { ttlSeconds: -60 }), both],
  ])('%s', (_title, chain, bundles) => {
    expect(() => judge(bundles).verify(chain)).toThrow()
  })
})

describe('a client certificate is accepted', () => {
  it.each<[string, TestCa, string, readonly TrustBundle[]]>([
    ['of the own trust domain, whatever its path', own, 'spiffe://example.org/any', both],
    ['that leads to a tainted root', own, 'spiffe://example.org/a', [bundleOf(own, true)]],
    ['of an admin of another trust domain', foreign, adminId, both],
  ])('%s', (_title, ca, id, bundles) => {
    expect(judge(bundles).verify(chainOf(ca, id))).toEqual({ spiffeId: id })
  })
})

describe('a missing bundle', () => {
  it('is warned of once a minute for each trust domain', () => {
    const warnings: unknown[] = []
    const log: Logger = { ...silentLogger, warn: (message) => warnings.push(message) }
    const certificates = judge([bundleOf(own)], log)
    const attempt = () => {
      expect(() => certificates.verify(chainOf(foreign, adminId))).toThrow()
    }
    attempt()
    attempt()
    expect(warnings).toHaveLength(1)
    clock.advance(60_000)
    attempt()
    expect(warnings).toHaveLength(2)
  })
})
