import 'reflect-metadata'
import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import type { SigningKey } from '@mini-spire/runtime/key-manager/key-manager'
import { buildCsr, type CsrOptions } from '@mini-spire/runtime/x509/csr'
import { encodeName } from '@mini-spire/runtime/x509/name'
import { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import {
  type Certificate,
  derBitString,
  derElement,
  derOid,
  derSequence,
  derTag,
  parseCertificate,
} from '@mini-spire/sdk/x509'
import { X509Certificate as Peculiar } from '@peculiar/x509'
import fc from 'fast-check'
import { decodeProtectedHeader, jwtVerify } from 'jose'
import { beforeEach, describe, expect, it } from 'vitest'
import type { AuthorityManager } from '../ca/authority-manager.ts'
import { TestState } from '../ca/ca.test-kit.ts'
import type { RegistrationEntry } from '../model/registration-entry.ts'
import type { IssuanceRecord } from '../store/store.ts'
import { IssuanceError } from './issuance-error.ts'
import type { X509SvidRequest } from './issued-svid.ts'
import { Issuer, type IssuerOptions, type SignedKind } from './issuer.ts'

const workloadKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
const spkiOf = (key: KeyObject): Buffer =>
  createPublicKey(key).export({ type: 'spki', format: 'der' })
const requester = 'spiffe://example.org/spire/agent/x'
const entry: RegistrationEntry = {
  id: 'entry-1',
  spiffeId: SpiffeId.parse('spiffe://example.org/web'),
  parentId: SpiffeId.parse(requester),
  selectors: [],
  x509SvidTtlSeconds: 0,
  jwtSvidTtlSeconds: 0,
  federatesWith: [],
  admin: false,
  downstream: false,
  expiresAtSeconds: 0,
  dnsNames: [],
  revisionNumber: 0,
  storeSvid: false,
  hint: '',
  createdAtSeconds: 0,
  disableX509SvidPrefetch: false,
  jwtSvidIncludeJti: false,
}

const noWit = {
  wit: () => {
    throw new Error('not asked for')
  },
  isWitDisabled: true,
}

let state: TestState
let authorities: AuthorityManager
let records: IssuanceRecord[]
let signed: SignedKind[]

const issuerWith = (options: Partial<IssuerOptions> = {}): Issuer =>
  new Issuer({
    trustDomain: state.trustDomain,
    authorities,
    issuanceLog: { append: (record) => records.push(record) },
    clock: state.clock,
    ttls: {
      x509SvidTtlSeconds: 3600,
      jwtSvidTtlSeconds: 300,
      agentSvidTtlSeconds: 1800,
      caTtlSeconds: 24 * 3600,
    },
    jwtIssuer: '',
    onSigned: (kind) => signed.push(kind),
    ...options,
  })

beforeEach(async () => {
  state = new TestState()
  authorities = state.manager()
  await authorities.start()
  records = []
  signed = []
})

const csrFor = (options: Omit<CsrOptions, 'key'> = {}, key = workloadKey): Promise<Uint8Array> =>
  buildCsr({ key, ...options })
const leafOf = ({ chain }: { readonly chain: readonly Uint8Array[] }): Certificate =>
  parseCertificate(chain[0] ?? Buffer.of())
const subjectOf = (certificate: Certificate): string =>
  new Peculiar(Buffer.from(certificate.raw)).subject
const nowSeconds = (): number => state.clock.nowMs() / 1000

/** What a certificate says, its serial number, key and signature left out. */
function shapeOf(certificate: Certificate): object {
  const { notBefore, notAfter, isCa, keyUsage, extKeyUsage, names, pathLength } = certificate
  const subject = Buffer.from(certificate.subjectRaw).toString('hex')
  return { notBefore, notAfter, isCa, keyUsage, extKeyUsage, names, pathLength, subject }
}

/** A request whose attributes are whatever is given, properly signed. */
function csrWithAttributes(subject: Uint8Array, attributes: readonly Uint8Array[]): Uint8Array {
  const info = derSequence(
    Buffer.of(derTag.integer, 1, 0),
    subject,
    spkiOf(workloadKey),
    derElement(0xa0, ...attributes),
  )
  const algorithm = derSequence(derOid('1.2.840.10045.4.3.2'))
  return derSequence(info, algorithm, derBitString(sign('sha256', info, workloadKey)))
}

describe('an X509-SVID by entry', () => {
  it('is refused for a request that cannot be read or proves nothing', async () => {
    const issuer = issuerWith()
    const forged = Buffer.from(await csrFor())
    forged[forged.length - 1] = (forged[forged.length - 1] ?? 0) ^ 1
    const issue = (csr: Uint8Array) => issuer.issueX509Svid({ entry, csr, requester })
    await expect(issue(Buffer.from('csr'))).rejects.toMatchObject({
      code: 'ERR_CSR_REFUSED',
      kind: 'invalid-argument',
      message: expect.stringMatching(/^malformed CSR: asn1: structure error: /),
    })
    await expect(issue(forged)).rejects.toMatchObject({
      code: 'ERR_CSR_REFUSED',
      message: 'invalid CSR signature: x509: ECDSA verification failure',
    })
    const agent = { spiffeId: entry.spiffeId, csr: forged, requester }
    await expect(issuer.issueAgentSvid(agent)).rejects.toThrow('invalid CSR signature: x509')
    await expect(issuer.issueAgentSvid({ ...agent, csr: Buffer.of() })).rejects.toThrow(
      'failed to parse CSR: ',
    )
    await expect(
      issuer.issueDownstreamCa({ csr: forged, ttlSeconds: 0, requester }),
    ).rejects.toThrow('invalid CSR signature: ')
    await expect(issuer.mintX509Svid({ csr: forged, ttlSeconds: 0, requester })).rejects.toThrow(
      'failed to verify CSR signature: ',
    )
    expect(records).toEqual([])
  })

  it('says when there is nothing to sign with', async () => {
    const issuer = issuerWith({ authorities: state.manager() })
    const csr = await csrFor()
    await expect(issuer.issueX509Svid({ entry, csr, requester })).rejects.toMatchObject({
      code: 'ERR_SIGNING_FAILED',
      kind: 'internal',
      message: 'failed to sign X509-SVID: X509 CA is not available for signing',
    })
    await expect(issuer.checkHealth()).rejects.toThrow('X509 CA is not available for signing')
  })

  it('is never expired when it is handed out', async () => {
    state.clock.advance(24 * 3600_000 + 1)
    const csr = await csrFor()
    await expect(issuerWith().issueX509Svid({ entry, csr, requester })).rejects.toThrow(
      'failed to sign X509-SVID: invalid workload X509-SVID: invalid X509-SVID: already expired as of 2026-03-02T12:00:00Z',
    )
  })

  it('has what the entry says, and is written down', async () => {
    const full = { ...entry, dnsNames: ['db.example', 'b'], x509SvidTtlSeconds: 60 }
    const issued = await issuerWith().issueX509Svid({ entry: full, csr: await csrFor(), requester })
    const leaf = leafOf(issued)
    expect(issued.chain).toHaveLength(1)
    expect(subjectOf(leaf)).toBe('C=US, O=SPIRE, CN=db.example')
    expect(leaf.uriSans).toEqual(['spiffe://example.org/web'])
    expect(leaf.dnsNames).toEqual(['db.example', 'b'])
    expect(leaf.isCa).toBe(false)
    expect(leaf.notBefore.getTime() / 1000).toBe(nowSeconds() - 10)
    expect(leaf.notAfter.getTime() / 1000).toBe(nowSeconds() + 60)
    expect(Buffer.from(leaf.spki)).toEqual(spkiOf(workloadKey))
    expect(issued).toMatchObject({
      spiffeId: entry.spiffeId,
      expiresAtSeconds: nowSeconds() + 60,
      serialNumber: leaf.serialNumber,
    })
    expect(records).toEqual([
      {
        type: 'x509-svid',
        identifier: leaf.serialNumber,
        spiffeId: 'spiffe://example.org/web',
        entryId: 'entry-1',
        requester,
        issuedAtSeconds: nowSeconds(),
        expiresAtSeconds: nowSeconds() + 60,
      },
    ])
    expect(signed).toEqual(['x509_svid'])
    const ca = new Peculiar(Buffer.from(authorities.x509().certificate))
    expect(
      await new Peculiar(Buffer.from(leaf.raw)).verify({
        publicKey: ca.publicKey,
        signatureOnly: true,
      }),
    ).toBe(true)
  })

  it('does not change whatever the request asks for: it gives a key and nothing else', async () => {
    const issuer = issuerWith()
    const plain = await issuer.issueX509Svid({ entry, csr: await csrFor(), requester })
    const shape = shapeOf(leafOf(plain))
    const bytes = fc.uint8Array({ maxLength: 60 })
    const name = fc.record({
      country: fc.array(fc.string(), { maxLength: 2 }),
      organization: fc.array(fc.string(), { maxLength: 2 }),
      commonName: fc.string(),
    })
    const oid = fc.constantFrom('2.5.29.15', '2.5.29.17', '2.5.29.19', '2.5.29.37', '1.2.3.4')
    const san = fc
      .array(fc.tuple(fc.constantFrom(0x81, 0x82, 0x86, 0x87, 0xa0), fc.string()), { maxLength: 4 })
      .map((names) =>
        derSequence(...names.map(([tag, text]) => derElement(tag, Buffer.from(text)))),
      )
    const extension = fc
      .tuple(
        oid,
        fc.oneof(
          bytes.map((raw) => Buffer.from(raw)),
          san,
        ),
      )
      .map(([id, value]) => derSequence(derOid(id), derElement(derTag.octetString, value)))
    const attribute = fc
      .array(extension, { maxLength: 3 })
      .map((extensions) =>
        derSequence(
          derOid('1.2.840.113549.1.9.14'),
          derElement(derTag.set, derSequence(...extensions)),
        ),
      )
    const garbage = bytes.map((raw) => derElement(derTag.octetString, raw))
    const attributes = fc.array(fc.oneof(attribute, garbage), { maxLength: 3 })
    await fc.assert(
      fc.asyncProperty(name, attributes, async (subject, asked) => {
        const csr = csrWithAttributes(encodeName(subject), asked)
        const agent = await issuer.issueAgentSvid({ spiffeId: entry.spiffeId, csr, requester })
        const workload = await issuer.issueX509Svid({ entry, csr, requester })
        expect(shapeOf(leafOf(workload))).toEqual(shape)
        const { notAfter: _a, ...agentShape } = shapeOf(leafOf(agent)) as { notAfter: Date }
        const { notAfter: _b, ...workloadShape } = shape as { notAfter: Date }
        expect(agentShape).toEqual(workloadShape)
      }),
      { numRuns: 200 },
    )
  })

  it('never lives longer than what signed it, at any TTL and any moment of rotation', async () => {
    const issuer = issuerWith()
    const csr = await csrFor()
    const ttl = fc.integer({ min: -5, max: 40 * 24 * 3600 })
    await fc.assert(
      fc.asyncProperty(ttl, fc.integer({ min: 0, max: 7 * 3600 }), async (ttlSeconds, passed) => {
        state.clock.advance(passed * 1000)
        await authorities.tick()
        const ca = authorities.x509()
        const asked = { ...entry, x509SvidTtlSeconds: ttlSeconds }
        const issued = await issuer.issueX509Svid({ entry: asked, csr, requester })
        const expected = nowSeconds() + (ttlSeconds > 0 ? ttlSeconds : 3600)
        expect(issued.expiresAtSeconds).toBe(Math.min(expected, ca.notAfterSeconds))
        const below = await issuer.issueDownstreamCa({ csr, ttlSeconds, requester })
        expect(below.expiresAtSeconds).toBeLessThanOrEqual(ca.notAfterSeconds)
        const token = await issuer.mintJwtSvid({ ...jwtRequest, ttlSeconds })
        expect(token.expiresAtSeconds).toBeLessThanOrEqual(authorities.jwt().notAfterSeconds)
      }),
      { numRuns: 60 },
    )
  })

  it('is capped by every certificate above it, not by the nearest alone', async () => {
    const ca = { ...authorities.x509(), capSeconds: nowSeconds() + 30 }
    const capped = { x509: () => ca, jwt: () => authorities.jwt(), isJwtDisabled: false, ...noWit }
    const issuer = issuerWith({ authorities: capped })
    const issued = await issuer.issueX509Svid({ entry, csr: await csrFor(), requester })
    expect(issued.expiresAtSeconds).toBe(nowSeconds() + 30)
  })

  it('comes with the chain up to the root, the root left out', async () => {
    const ca = { ...authorities.x509(), upstreamChain: [authorities.x509().certificate] }
    const nested = { x509: () => ca, jwt: () => authorities.jwt(), isJwtDisabled: false, ...noWit }
    const issuer = issuerWith({ authorities: nested })
    const issued = await issuer.issueX509Svid({ entry, csr: await csrFor(), requester })
    expect(issued.chain.slice(1)).toEqual([ca.certificate])
  })
})

describe('a batch', () => {
  it('answers each request by itself and in order', async () => {
    const csr = await csrFor()
    const requests = Array.from({ length: 40 }, (_, index) => ({
      entry: { ...entry, id: `entry-${index}` },
      csr: index % 7 === 3 ? Buffer.of(1) : csr,
      requester,
    }))
    const results = await issuerWith().issueX509Svids(requests)
    expect(results.map((result) => result instanceof IssuanceError)).toEqual(
      requests.map((_, index) => index % 7 === 3),
    )
    expect(records.map(({ entryId }) => entryId)).toEqual(
      requests.filter((_, index) => index % 7 !== 3).map((request) => request.entry.id),
    )
    expect(await issuerWith().issueX509Svids([])).toEqual([])
  })

  it('lets others have their turn', async () => {
    const csr = await csrFor()
    const requests = Array.from({ length: 64 }, () => ({ entry, csr, requester }))
    const seen: number[] = []
    let isDone = false
    const watch = (): void => {
      seen.push(records.length)
      if (!isDone) setImmediate(watch)
    }
    setImmediate(watch)
    await issuerWith().issueX509Svids(requests)
    isDone = true
    expect(seen).toEqual(expect.arrayContaining([16, 32, 48]))
  })

  it('is done before one that came later, unless it is long: then they take turns', async () => {
    const csr = await csrFor()
    const batch = (id: string, size: number): X509SvidRequest[] =>
      Array.from({ length: size }, () => ({ entry: { ...entry, id }, csr, requester }))
    const issuer = issuerWith()
    await Promise.all(
      [batch('long', 200), batch('a', 40), batch('b', 40)].map((one) => issuer.issueX509Svids(one)),
    )
    const last = (id: string): number => records.findLastIndex(({ entryId }) => entryId === id)
    expect(records).toHaveLength(280)
    expect(last('a')).toBeLessThan(last('b'))
    expect(last('b')).toBeLessThan(last('long'))
  })

  it('waits for a key that is elsewhere, and says when that fails', async () => {
    const ca = authorities.x509()
    let isFailing = false
    const remote: SigningKey = {
      id: 'remote',
      type: ca.key.type,
      publicKey: ca.key.publicKey,
      sign: async (data, options) => {
        if (isFailing) throw new Error('KMS is away')
        return await ca.key.sign(data, options)
      },
    }
    const { makeX509Ca } = await import('../ca/x509-ca.ts')
    const away = makeX509Ca({ certificate: ca.certificate, upstreamChain: [], key: remote })
    const issuer = issuerWith({
      authorities: {
        x509: () => away,
        jwt: () => authorities.jwt(),
        isJwtDisabled: false,
        ...noWit,
      },
    })
    const request = { entry, csr: await csrFor(), requester }
    const results = await issuer.issueX509Svids([request, request])
    expect(results.every((result) => !(result instanceof IssuanceError))).toBe(true)
    isFailing = true
    const [failed] = await issuer.issueX509Svids([request])
    expect(failed).toMatchObject({ message: 'failed to sign X509-SVID: KMS is away' })
  })
})

describe('a minted X509-SVID', () => {
  const mint = async (options: Omit<CsrOptions, 'key'>, ttlSeconds = 0) =>
    issuerWith().mintX509Svid({ csr: await csrFor(options), ttlSeconds, requester: 'uid:0' })

  it.each<[string, Omit<CsrOptions, 'key'>, string]>([
    ['no URI', {}, 'CSR URI SAN is required'],
    [
      'another scheme',
      { uriSan: 'https://example.org/x' },
      'CSR URI SAN is invalid: scheme is missing or invalid',
    ],
    [
      'another trust domain',
      { uriSan: 'spiffe://other.org/x' },
      'CSR URI SAN is invalid: "spiffe://other.org/x" is not a member of trust domain "example.org"',
    ],
    [
      'no path',
      { uriSan: 'spiffe://example.org' },
      'CSR URI SAN is invalid: "spiffe://example.org" is not a workload in trust domain "example.org"; path is empty',
    ],
    [
      "the server's ID",
      { uriSan: 'spiffe://example.org/spire/server' },
      'CSR URI SAN is invalid: "spiffe://example.org/spire/server" is not a workload in trust domain "example.org"; path is in the reserved namespace',
    ],
    [
      'a path that climbs',
      { uriSan: 'spiffe://example.org/a/../b' },
      'CSR URI SAN is invalid: path cannot contain dot segments',
    ],
    [
      'a bad DNS name',
      { uriSan: 'spiffe://example.org/x', dnsNames: ['a', '-b'] },
      'CSR DNS name is invalid: idna error\nidna: invalid label "-b"',
    ],
    [
      'an overlapping wildcard',
      { uriSan: 'spiffe://example.org/x', dnsNames: ['*.x', 'a.x'] },
      'CSR DNS name contains a wildcard that covers another non-wildcard name: name "a.x" overlaps with an existing wildcard name in the list: wildcard overlap',
    ],
  ])('is refused for a request with %s', async (_, options, message) => {
    await expect(mint(options)).rejects.toMatchObject({ code: 'ERR_CSR_REFUSED', message })
  })

  it('is refused for two URIs', async () => {
    const uri = (text: string): Buffer => derElement(0x86, Buffer.from(text))
    const names = derSequence(uri('spiffe://example.org/a'), uri('spiffe://example.org/b'))
    const csr = csrWithAttributes(encodeName({}), [
      derSequence(
        derOid('1.2.840.113549.1.9.14'),
        derElement(
          derTag.set,
          derSequence(derSequence(derOid('2.5.29.17'), derElement(derTag.octetString, names))),
        ),
      ),
    ])
    await expect(
      issuerWith().mintX509Svid({ csr, ttlSeconds: 0, requester: 'uid:0' }),
    ).rejects.toThrow('only one URI SAN is expected')
  })

  it('has the names that were asked for, written anew', async () => {
    const issued = await mint({ uriSan: 'spiffe://example.org/x', dnsNames: ['a.x', '*.y'] }, 77)
    const leaf = leafOf(issued)
    expect(leaf.uriSans).toEqual(['spiffe://example.org/x'])
    expect(leaf.dnsNames).toEqual(['a.x', '*.y'])
    expect(subjectOf(leaf)).toBe('C=US, O=SPIRE, CN=a.x')
    expect(issued.expiresAtSeconds).toBe(nowSeconds() + 77)
    expect(records).toMatchObject([{ entryId: '', requester: 'uid:0' }])
  })

  it('has the subject that was asked for, its common name replaced by the first DNS name', async () => {
    const uriSan = 'spiffe://example.org/x'
    const subject = { organization: ['Mine'], commonName: 'mine' }
    expect(subjectOf(leafOf(await mint({ uriSan, subject })))).toBe('O=Mine, CN=mine')
    expect(subjectOf(leafOf(await mint({ uriSan, subject, dnsNames: ['a'] })))).toBe('O=Mine, CN=a')
    expect(subjectOf(leafOf(await mint({ uriSan })))).toBe('C=US, O=SPIRE')
  })
})

describe('the other certificates', () => {
  it("an agent's has its own TTL, and is written down as one", async () => {
    const spiffeId = SpiffeId.parse(requester)
    const issued = await issuerWith().issueAgentSvid({
      spiffeId,
      csr: await csrFor(),
      requester: '',
    })
    expect(issued.expiresAtSeconds).toBe(nowSeconds() + 1800)
    expect(leafOf(issued).uriSans).toEqual([requester])
    expect(records).toMatchObject([{ type: 'agent-svid', requester: '' }])
  })

  it.each([
    ['spiffe://other.org/spire/agent/x', ''],
    ['spiffe://example.org', '; path is empty'],
  ])('no agent gets one for %s, whatever its attestor says [gate 2]', async (id, why) => {
    const spiffeId = SpiffeId.parse(id)
    const asked = issuerWith().issueAgentSvid({ spiffeId, csr: await csrFor(), requester: '' })
    await expect(asked).rejects.toMatchObject({
      code: 'ERR_SIGNING_FAILED',
      message: `failed to sign X509 SVID: invalid X509-SVID ID: "${id}" is not a member of trust domain "example.org"${why}`,
    })
    expect(records).toEqual([])
  })

  it("the server's names the server", async () => {
    const issued = await issuerWith().issueServerSvid({ publicKey: spkiOf(workloadKey) })
    expect(leafOf(issued).uriSans).toEqual(['spiffe://example.org/spire/server'])
    expect(subjectOf(leafOf(issued))).toBe('C=US, O=SPIRE')
  })

  it('are none of an authority at its end, and each says which it would have been', async () => {
    state.clock.advance(24 * 3600_000 + 1)
    const csr = await csrFor()
    const expired = 'already expired as of 2026-03-02T12:00:00Z'
    const issuer = issuerWith()
    const spiffeId = SpiffeId.parse(requester)
    await expect(issuer.issueAgentSvid({ spiffeId, csr, requester: '' })).rejects.toThrow(
      `failed to sign X509 SVID: invalid agent X509-SVID: invalid X509-SVID: ${expired}`,
    )
    await expect(issuer.issueServerSvid({ publicKey: spkiOf(workloadKey) })).rejects.toThrow(
      `failed to sign X509 SVID: invalid server X509-SVID: invalid X509-SVID: ${expired}`,
    )
    await expect(issuer.issueDownstreamCa({ csr, ttlSeconds: 0, requester })).rejects.toThrow(
      `failed to sign downstream X.509 CA: invalid downstream X509 CA: invalid X509 CA: ${expired}`,
    )
  })

  it("a downstream server's is a CA of the trust domain, one level down", async () => {
    const csr = await csrFor({
      uriSan: 'spiffe://example.org/evil',
      subject: { commonName: 'evil' },
    })
    const issued = await issuerWith().issueDownstreamCa({ csr, ttlSeconds: 600, requester })
    const ca = leafOf(issued)
    expect(ca).toMatchObject({
      isCa: true,
      uriSans: ['spiffe://example.org'],
      pathLength: undefined,
    })
    expect(ca.keyUsage).toMatchObject({ keyCertSign: true, cRLSign: true, digitalSignature: false })
    const root = subjectOf(parseCertificate(authorities.x509().certificate))
    expect(subjectOf(ca)).toBe(root.replace('O=SPIFFE,', 'O=SPIFFE, OU=DOWNSTREAM-1,'))
    expect(issued.expiresAtSeconds).toBe(nowSeconds() + 600)
    expect(signed).toEqual(['x509_ca_svid'])
    expect(records).toMatchObject([{ type: 'x509-ca', identifier: ca.serialNumber }])
  })

  it('of the health check is nowhere written down', async () => {
    await issuerWith().checkHealth()
    expect(records).toEqual([])
    expect(signed).toEqual([])
  })
})

const jwtRequest = {
  spiffeId: entry.spiffeId,
  audience: ['a'],
  ttlSeconds: 0,
  requester: 'uid:0',
} as const

describe('a JWT-SVID', () => {
  it('is refused for a server that issues none, another ID, no audience', async () => {
    const disabled = {
      x509: () => authorities.x509(),
      jwt: () => authorities.jwt(),
      isJwtDisabled: true,
      ...noWit,
    }
    await expect(
      issuerWith({ authorities: disabled }).mintJwtSvid(jwtRequest),
    ).rejects.toMatchObject({
      code: 'ERR_JWT_SVIDS_DISABLED',
      kind: 'unimplemented',
      message: 'JWT functionality is disabled',
    })
    const issuer = issuerWith()
    const reserved = SpiffeId.parse('spiffe://example.org/spire/server')
    await expect(issuer.mintJwtSvid({ ...jwtRequest, spiffeId: reserved })).rejects.toMatchObject({
      code: 'ERR_SVID_ID_REFUSED',
      kind: 'invalid-argument',
      message: expect.stringMatching(/^invalid SPIFFE ID: ".*path is in the reserved namespace$/),
    })
    await expect(issuer.mintJwtSvid({ ...jwtRequest, audience: [] })).rejects.toMatchObject({
      code: 'ERR_AUDIENCE_MISSING',
      kind: 'invalid-argument',
      message: 'at least one audience is required',
    })
    await expect(issuer.mintJwtSvid({ ...jwtRequest, audience: ['', ''] })).rejects.toMatchObject({
      kind: 'internal',
      message: 'failed to sign JWT-SVID: invalid JWT-SVID audience: cannot be empty',
    })
    const unready = issuerWith({ authorities: state.manager() })
    await expect(unready.mintJwtSvid(jwtRequest)).rejects.toMatchObject({
      kind: 'internal',
      message: 'failed to sign JWT-SVID: JWT key is not available for signing',
    })
    state.clock.advance(24 * 3600_000)
    await expect(issuer.mintJwtSvid(jwtRequest)).rejects.toThrow(
      'failed to sign JWT-SVID: invalid JWT-SVID "exp" claim: already expired as of 2026-03-02T12:00:00Z',
    )
    expect(records).toEqual([])
  })

  it.each(['ec-p256', 'ec-p384', 'rsa-2048'] as const)(
    'signed with %s verifies with jose',
    async (type) => {
      state = new TestState()
      authorities = state.manager({ jwtKeyType: type })
      await authorities.start()
      const audience = ['b', '', 'a', 'b']
      const issued = await issuerWith().issueJwtSvid({ entry, audience, requester })
      const publicKey = Buffer.from(authorities.jwt().key.publicKey)
      const key = createPublicKey({ key: publicKey, format: 'der', type: 'spki' })
      const { payload } = await jwtVerify(issued.token, key, { currentDate: state.clock.now() })
      expect(Object.keys(decodeProtectedHeader(issued.token)).sort()).toEqual(['alg', 'kid', 'typ'])
      expect(payload).toEqual({
        aud: ['b', 'a', 'b'],
        exp: nowSeconds() + 300,
        iat: nowSeconds(),
        sub: 'spiffe://example.org/web',
      })
      expect(issued).toMatchObject({
        spiffeId: entry.spiffeId,
        issuedAtSeconds: nowSeconds(),
        expiresAtSeconds: nowSeconds() + 300,
      })
      expect(records).toEqual([
        {
          type: 'jwt-svid',
          identifier: createHash('sha256').update(issued.token).digest('hex'),
          spiffeId: 'spiffe://example.org/web',
          entryId: 'entry-1',
          requester,
          issuedAtSeconds: nowSeconds(),
          expiresAtSeconds: nowSeconds() + 300,
        },
      ])
      expect(signed).toEqual(['jwt_svid'])
    },
  )

  it('has an issuer when one is configured, a token ID when the entry asks for one', async () => {
    const issuer = issuerWith({ jwtIssuer: 'https://issuer.example' })
    const asking = { ...entry, jwtSvidIncludeJti: true, jwtSvidTtlSeconds: 7 }
    const issued = await issuer.issueJwtSvid({ entry: asking, audience: ['a'], requester })
    const claims = JSON.parse(Buffer.from(issued.token.split('.')[1] ?? '', 'base64url').toString())
    expect(claims).toEqual({
      aud: ['a'],
      exp: nowSeconds() + 7,
      iat: nowSeconds(),
      iss: 'https://issuer.example',
      jti: expect.stringMatching(/^[A-Za-z0-9_-]{22}$/),
      sub: 'spiffe://example.org/web',
    })
    expect(records).toMatchObject([{ identifier: claims.jti }])
  })
})
