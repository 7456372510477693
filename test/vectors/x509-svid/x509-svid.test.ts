import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { cpuMsOf } from '@mini-spire/runtime/cpu-time.test-kit'
import { X509Bundle, X509BundleSet } from '@mini-spire/sdk/bundle'
import {
  makeTestCertificate,
  TestCa,
  type TestCertificateOptions,
  type TestKeyUsage,
  testExtension,
  testName,
} from '@mini-spire/sdk/testing'
import {
  derElement,
  derSequence,
  derTag,
  parseCertificate,
  verifyChain,
} from '@mini-spire/sdk/x509'
import { verifyX509Svid, X509Svid } from '@mini-spire/sdk/x509-svid'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

/** One leaf: what it says otherwise than a good one (null removes), and the code it is refused with. */
interface Vector {
  readonly title: string
  readonly leaf: {
    readonly uris?: readonly string[]
    readonly dnsNames?: readonly string[]
    readonly commonName?: string
    readonly isCa?: boolean | null
    readonly keyUsage?: readonly TestKeyUsage[] | null
    readonly extKeyUsage?: readonly string[] | null
    readonly serialHex?: string
    readonly notBeforeSeconds?: number
    readonly notAfterSeconds?: number
    readonly extensions?: readonly { oid: string; critical: boolean; hex: string }[]
  }
  readonly code?: string
}

const vectors: readonly Vector[] = JSON.parse(
  readFileSync(new URL('vectors.json', import.meta.url), 'utf8'),
)
const now = new Date(1_000_000_000_000)
const day = 86_400_000
const clock = { now: () => now }
const ca = TestCa.create('example.org', clock)
const foreign = TestCa.create('foreign.test', clock)
const bundles = new X509BundleSet([ca.x509Bundle, foreign.x509Bundle])
const leafKey = newKey()
const id = 'spiffe://example.org/web'

function newKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
}

function leafOf({ leaf }: Vector): readonly Uint8Array[] {
  const { serialHex, notBeforeSeconds, notAfterSeconds, extensions, ...rest } = leaf
  const says = Object.fromEntries(
    Object.entries({ uris: [id], ...rest }).map(([name, value]) => [name, value ?? undefined]),
  )
  return ca.issueChain({
    publicKey: createPublicKey(leafKey),
    ...says,
    ...(serialHex && { serialNumber: Buffer.from(serialHex, 'hex') }),
    ...(notBeforeSeconds && { notBefore: new Date(notBeforeSeconds * 1000) }),
    ...(notAfterSeconds && { notAfter: new Date(notAfterSeconds * 1000) }),
    ...(extensions && {
      extensions: extensions.map((one) =>
        testExtension(one.oid, one.critical, Buffer.from(one.hex, 'hex')),
      ),
    }),
  })
}

function codeOf(act: () => unknown): string | undefined {
  try {
    act()
    return undefined
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  }
}

const verify = (chain: readonly Uint8Array[], trusted = bundles): string | undefined =>
  codeOf(() => verifyX509Svid(chain, trusted, { now }))

describe('a leaf', () => {
  it.each(vectors)('$title', (vector) => {
    expect(verify(leafOf(vector))).toBe(vector.code)
  })

  it('proves its ID', () => {
    const svid = ca.issueX509Svid('/web')
    expect(verifyX509Svid(svid.chain, bundles, { now }).toString()).toBe(id)
  })

  it.each([
    ['RSA 1024', generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey],
    ['P-224', generateKeyPairSync('ec', { namedCurve: 'secp224r1' }).publicKey],
    ['secp256k1', generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey],
    ['Ed448', generateKeyPairSync('ed448').publicKey],
  ])('is refused with a key that no SVID may have: %s', (_, publicKey) => {
    expect(verify(ca.issueChain({ publicKey, uris: [id] }))).toBe('ERR_X509_SVID_UNTRUSTED')
  })

  it('is refused when its signature is over other bytes', () => {
    const [leaf] = ca.issueChain({ publicKey: createPublicKey(leafKey), uris: [id] })
    const changed = Buffer.from(leaf)
    changed.write('spiffe://example.org/wab', changed.indexOf(id), 'latin1')
    expect(verify([changed])).toBe('ERR_X509_SVID_UNTRUSTED')
  })

  it('is refused when it signed itself with our root’s name', () => {
    const forged = makeTestCertificate(
      { name: ca.certificate.subjectRaw, privateKey: leafKey },
      { ...good(createPublicKey(leafKey)), uris: [id] },
    )
    expect(verify([forged])).toBe('ERR_X509_SVID_UNTRUSTED')
  })

  it('is refused with bytes after the certificate, and cut off anywhere', () => {
    const [leaf] = ca.issueChain({ publicKey: createPublicKey(leafKey), uris: [id] })
    expect(verify([Buffer.concat([leaf, Buffer.of(0)])])).toBe('ERR_X509_SVID_MALFORMED')
    for (let length = 0; length < leaf.length; length++)
      expect(verify([leaf.subarray(0, length)])).toBe('ERR_X509_SVID_MALFORMED')
  })

  it('is refused, not crashed on, whichever octets are changed', () => {
    const [leaf] = ca.issueChain({ publicKey: createPublicKey(leafKey), uris: [id] })
    fc.assert(
      fc.property(fc.nat(leaf.length - 1), fc.integer({ min: 1, max: 255 }), (at, difference) => {
        const changed = Buffer.from(leaf)
        changed[at] = (changed[at] ?? 0) ^ difference
        expect(verify([changed])).toMatch(/^ERR_X509_SVID_/)
      }),
      { numRuns: 1500 },
    )
  })
})

function good(publicKey: KeyObject): TestCertificateOptions {
  const notBefore = new Date(now.getTime() - 1000)
  return { publicKey, notBefore, notAfter: new Date(now.getTime() + day), isCa: false }
}

describe('a chain', () => {
  const publicKey = createPublicKey(leafKey)
  const below = (authority: TestCa): readonly Uint8Array[] =>
    authority.issueChain({ publicKey, uris: [id] })

  it('leads to the root over intermediates, in whatever order they come [RFC 5280 6.1]', () => {
    const [leaf = Buffer.of(), ...others] = below(ca.createIntermediate().createIntermediate())
    expect(verify([leaf, ...others])).toBeUndefined()
    expect(verify([leaf, ...others.toReversed()])).toBeUndefined()
    expect(verify([leaf, ...others, ca.certificate.raw])).toBeUndefined()
  })

  it('is refused without its intermediate', () => {
    expect(verify(below(ca.createIntermediate()).slice(0, 1))).toBe('ERR_X509_SVID_UNTRUSTED')
  })

  const hour = 3_600_000
  it.each<[string, Partial<TestCertificateOptions>]>([
    ['is no CA', { isCa: false }],
    ['has no basic constraints', { isCa: undefined as never }],
    ['may not sign certificates', { keyUsage: ['digitalSignature', 'cRLSign'] }],
    ['has expired', { notAfter: new Date(now.getTime() - 1000) }],
    ['is not valid yet', { notBefore: new Date(now.getTime() + hour) }],
    ['has an unknown critical extension', unknownCritical()],
    ['permits other URIs only', constraints(0xa0, 0x86, 'foreign.test')],
    ['excludes our URIs', constraints(0xa1, 0x86, 'example.org')],
    ['has name constraints of an unknown kind', constraints(0xa1, 0x88, '*')],
  ])('is refused when an intermediate %s [RFC 5280 6.1.4]', (_, says) => {
    expect(verify(below(ca.createIntermediate(says)))).toBe('ERR_X509_SVID_UNTRUSTED')
  })

  it.each<[string, Partial<TestCertificateOptions>]>([
    ['permits our URIs', constraints(0xa0, 0x86, 'example.org')],
    ['permits hosts below a domain', constraints(0xa0, 0x86, '.org')],
    ['excludes other URIs', constraints(0xa1, 0x86, 'foreign.test')],
    ['constrains other kinds of names', constraints(0xa0, 0x82, 'example.com')],
    ['has no key usage', { keyUsage: undefined as never }],
    ['allows no intermediate below', { pathLength: 0 }],
  ])('is accepted when an intermediate %s', (_, says) => {
    expect(verify(below(ca.createIntermediate(says)))).toBeUndefined()
  })

  it('is refused when it is longer than an issuer allows [RFC 5280 4.2.1.9]', () => {
    const short = ca.createIntermediate({ pathLength: 0 })
    expect(verify(below(short.createIntermediate({ commonName: 'second' })))).toBe(
      'ERR_X509_SVID_UNTRUSTED',
    )
  })

  it.each<[string, Partial<TestCertificateOptions>]>([
    ['has expired', { notAfter: new Date(now.getTime() - 1000) }],
    ['is no CA', { isCa: false }],
    ['may not sign certificates', { keyUsage: ['digitalSignature'] }],
  ])('is refused when the root %s', (_, root) => {
    const weak = TestCa.create('example.org', { ...clock, root })
    expect(verify(below(weak), new X509BundleSet([weak.x509Bundle]))).toBe(
      'ERR_X509_SVID_UNTRUSTED',
    )
  })

  it('is refused when another trust domain’s root vouches, bundles merged or not', () => {
    const chain = foreign.issueChain({ publicKey, uris: [id] })
    expect(verify(chain)).toBe('ERR_X509_SVID_UNTRUSTED')
    const wrong = { findX509Bundle: () => foreign.x509Bundle }
    expect(codeOf(() => verifyX509Svid(chain, wrong, { now }))).toBe('ERR_X509_SVID_UNTRUSTED')
  })

  it('is refused with the text that agents look for when nothing vouches for it', () => {
    const stranger = TestCa.create('example.org', clock)
    expect(() => verifyX509Svid(below(stranger), bundles, { now })).toThrow(
      'x509: certificate signed by unknown authority',
    )
  })

  it('is refused when the bundle is empty: it trusts nothing', () => {
    const empty = new X509BundleSet([new X509Bundle(ca.trustDomain, [])])
    expect(verify(below(ca), empty)).toBe('ERR_X509_SVID_UNTRUSTED')
  })

  it('that a leaf tries to extend is refused', () => {
    const svid = ca.issueX509Svid('/web')
    const child = makeTestCertificate(
      { name: svid.chain[0].subjectRaw, privateKey: svid.privateKey },
      { ...good(publicKey), uris: [id] },
    )
    expect(verify([child, svid.chain[0].raw])).toBe('ERR_X509_SVID_UNTRUSTED')
  })

  it('of 100 certificates is refused before any signature is checked', () => {
    const [leaf = Buffer.of()] = below(ca)
    expect(verify([leaf, ...Array(99).fill(ca.certificate.raw)])).toBe('ERR_X509_SVID_MALFORMED')
  })

  it('of authorities that sign each other ends', async () => {
    const keys = Array.from({ length: 7 }, newKey)
    const name = testName('loop')
    const loop = keys.flatMap((key) =>
      keys.slice(0, 2).map((signer) =>
        makeTestCertificate(
          { name, privateKey: signer },
          {
            ...good(createPublicKey(key)),
            commonName: 'loop',
            isCa: true,
            keyUsage: ['keyCertSign'],
          },
        ),
      ),
    )
    const leaf = makeTestCertificate(
      { name, privateKey: keys[0] ?? newKey() },
      { ...good(publicKey), uris: [id] },
    )
    const cpuMs = await cpuMsOf(() =>
      expect(verify([leaf, ...loop])).toBe('ERR_X509_SVID_UNTRUSTED'),
    )
    expect(cpuMs).toBeLessThan(400)
  })

  it('is returned leaf first, root last', () => {
    const authority = ca.createIntermediate()
    const chain = below(authority).map(parseCertificate)
    const path = verifyChain({ chain, roots: ca.x509Bundle.authorities, now })
    expect(path.map((one) => one.subjectRaw)).toEqual([
      chain[0]?.subjectRaw,
      authority.certificate.subjectRaw,
      ca.certificate.subjectRaw,
    ])
  })

  it('is refused at a time that is none', () => {
    expect(codeOf(() => verifyX509Svid(below(ca), bundles, { now: new Date(Number.NaN) }))).toBe(
      'ERR_X509_SVID_EXPIRED',
    )
  })
})

function unknownCritical(): Partial<TestCertificateOptions> {
  return { extensions: [testExtension('1.2.3.4', true, Buffer.of(derTag.null, 0))] }
}

function constraints(tree: number, kind: number, name: string): Partial<TestCertificateOptions> {
  const subtree = derSequence(derElement(kind, Buffer.from(name, 'latin1')))
  const value = derSequence(derElement(tree, subtree))
  return { extensions: [testExtension('2.5.29.30', true, value)] }
}

describe('an X509-SVID of our own', () => {
  const svid = ca.createIntermediate().issueX509Svid('/web', { hint: 'internal' })
  const key = svid.privateKey.export({ type: 'pkcs8', format: 'der' })
  const chain = Buffer.concat(svid.chain.map((one) => one.raw))

  it('reads what it writes, DER and PEM', () => {
    expect(X509Svid.parseDer(chain, key).spiffeId.toString()).toBe(id)
    const read = X509Svid.parsePem(svid.marshalChainPem(), svid.marshalKeyPem())
    expect(read.chain.map((one) => one.raw)).toEqual(svid.chain.map((one) => one.raw))
    expect(read.privateKey.equals(svid.privateKey)).toBe(true)
  })

  it('never prints its key', () => {
    expect(JSON.stringify(svid)).toBe(
      JSON.stringify({ spiffeId: id, hint: 'internal', expiresAt: svid.expiresAt.toISOString() }),
    )
  })

  it.each<[string, string, () => unknown]>([
    ['another key', 'ERR_X509_SVID_KEY', () => X509Svid.parseDer(chain, pkcs8(newKey()))],
    ['a key that is none', 'ERR_X509_SVID_KEY', () => X509Svid.parseDer(chain, Buffer.of(1))],
    ['no certificate', 'ERR_X509_SVID_MALFORMED', () => X509Svid.parseDer(Buffer.of(), key)],
    [
      'half a certificate',
      'ERR_X509_SVID_MALFORMED',
      () => X509Svid.parseDer(chain.subarray(9), key),
    ],
    [
      'an issuer that is no CA',
      'ERR_X509_SVID_MALFORMED',
      () => ca.createIntermediate({ isCa: false }).issueX509Svid('/web'),
    ],
    [
      'a leaf that may not sign handshakes [X509-SVID 4.3]',
      'ERR_X509_SVID_MALFORMED',
      () => ca.issueX509Svid('/web', { keyUsage: ['keyEncipherment'] }),
    ],
  ])('is refused with %s', (_, code, make) => {
    expect(codeOf(make)).toBe(code)
  })
})

function pkcs8(key: KeyObject): Buffer {
  return key.export({ type: 'pkcs8', format: 'der' })
}
