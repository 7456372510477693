import { generateKeyPairSync } from 'node:crypto'
import { encodeName, parseName } from '@mini-spire/runtime/x509/name'
import { SerialNumbers } from '@mini-spire/runtime/x509/serial-number'
import { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import {
  derElement,
  derOid,
  derSequence,
  derTag,
  parseCertificate,
  parsePublicKey,
} from '@mini-spire/sdk/x509'
import { beforeEach, describe, expect, it } from 'vitest'
import type {
  CredentialComposer,
  JwtSvidClaims,
  X509SvidAttributes,
} from '../plugins/credential-composer/credential-composer.ts'
import { UniqueIdComposer } from '../plugins/credential-composer/unique-id/unique-id.ts'
import type { AuthorityManager } from './authority-manager.ts'
import { TestState } from './ca.test-kit.ts'
import { CredentialComposers, type SvidHolder } from './credential-composers.ts'
import { signDownstreamCa } from './sign-ca.ts'
import { signComposedJwtSvid, signComposedX509Svid } from './sign-composed-svid.ts'
import type { SignedJwtSvid } from './sign-jwt-svid.ts'

const spiffeId = SpiffeId.parse('spiffe://example.org/web')
const publicKey = parsePublicKey(
  generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({
    type: 'spki',
    format: 'der',
  }),
)
let state: TestState
let manager: AuthorityManager

beforeEach(async () => {
  state = new TestState()
  manager = state.manager()
  await manager.start()
})

async function signX509(
  holder: SvidHolder,
  ...composers: readonly Partial<CredentialComposer>[]
): Promise<ReturnType<typeof parseCertificate>> {
  const fields = {
    spiffeId: spiffeId.toString(),
    publicKey,
    subject: encodeName({ country: ['US'], organization: ['SPIRE'] }),
    dnsNames: ['a.test'],
    ttlSeconds: 600,
    nowMs: state.clock.nowMs(),
    serialNumbers: new SerialNumbers(),
  }
  const { chain } = await signComposedX509Svid(manager.x509(), fields, {
    composers: listOf(composers),
    spiffeId,
    holder,
  })
  return parseCertificate(chain[0] ?? Buffer.of())
}

async function signJwt(
  ...composers: readonly Partial<CredentialComposer>[]
): Promise<SignedJwtSvid & { readonly payload: string }> {
  const claims = {
    spiffeId: spiffeId.toString(),
    audience: ['a'],
    ttlSeconds: 300,
    nowMs: state.clock.nowMs(),
    issuer: undefined,
    tokenId: undefined,
  }
  const signed = await signComposedJwtSvid(manager.jwt(), claims, {
    composers: listOf(composers),
    spiffeId,
  })
  const payload = Buffer.from(signed.token.split('.')[1] ?? '', 'base64url').toString()
  return { ...signed, payload }
}

function listOf(composers: readonly Partial<CredentialComposer>[]): CredentialComposers {
  return new CredentialComposers(
    composers.map((one) => (one instanceof UniqueIdComposer ? one : { name: 'test', ...one })),
  )
}

/** Changes workloads' X509-SVIDs. */
const x509 = (
  change: (attributes: X509SvidAttributes) => Partial<X509SvidAttributes>,
): Partial<CredentialComposer> => ({
  composeWorkloadX509Svid: async (_, attributes) => ({ ...attributes, ...change(attributes) }),
})
const jwt = (change: JwtSvidClaims): Partial<CredentialComposer> => ({
  composeWorkloadJwtSvid: async (_, claims) => ({ ...claims, ...change }),
})
const extension = (oid: string, value: Uint8Array, critical = false) => ({ oid, value, critical })
const uris = (...names: readonly string[]): Uint8Array =>
  derSequence(...names.map((name) => derElement(0x86, Buffer.from(name))))

describe('no composer can', () => {
  it.each([
    [
      'make a CA of a leaf',
      extension('2.5.29.19', derSequence(Buffer.of(derTag.boolean, 1, 0xff)), true),
      'invalid X509-SVID: cA constraint must not be set',
    ],
    [
      'let a leaf sign certificates',
      extension('2.5.29.15', Buffer.of(3, 2, 2, 0x84), true),
      'invalid X509-SVID: only digitalSignature, keyEncipherment, and keyAgreement key usage can be set',
    ],
    [
      'take the signature from a leaf',
      extension('2.5.29.15', Buffer.of(3, 2, 5, 0x20), true),
      'invalid X509-SVID: digitalSignature key usage must be set',
    ],
    [
      'make a leaf for servers only',
      extension('2.5.29.37', derSequence(derOid('1.3.6.1.5.5.7.3.1'))),
      'invalid X509-SVID: missing clientAuth extended key usage',
    ],
    [
      'change the SPIFFE ID',
      extension('2.5.29.17', uris('spiffe://example.org/admin')),
      'invalid X509-SVID: expected URI SAN "spiffe://example.org/web" but got ["spiffe://example.org/admin"]',
    ],
    [
      'add another',
      extension('2.5.29.17', uris('spiffe://example.org/web', 'spiffe://example.org/admin')),
      /expected URI SAN/,
    ],
    ['leave it out', extension('2.5.29.17', derSequence()), /missing URI SAN/],
  ])('%s', async (_, extra, text) => {
    const signed = signX509(
      'workload',
      x509(() => ({ extraExtensions: [extra] })),
    )
    await expect(signed).rejects.toThrow(text)
  })

  it.each([
    ['an OID that is none', { extraExtensions: [extension('1.x', Buffer.of(5, 0))] }],
    ['an attribute that has no OID', { subject: { extraNames: [{ oid: '', value: 'x' }] } }],
    ['a DNS name beyond ASCII', { dnsNames: ['ü.test'] }],
    [
      'an extension twice',
      { extraExtensions: ['1.2.3', '1.2.3'].map((oid) => extension(oid, Buffer.of(5, 0))) },
    ],
  ])('write %s', async (_, change) => {
    await expect(
      signX509(
        'workload',
        x509(() => change),
      ),
    ).rejects.toMatchObject({
      code: 'ERR_COMPOSER_FAILED',
      message: expect.stringMatching(/^credentialcomposer\(test\): /),
    })
  })

  it.each([
    ['change the subject of a token', { sub: 'spiffe://example.org/admin' }, 'sub'],
    ['leave out its end', { exp: undefined }, 'exp'],
    ['sign an expired one', { exp: 1 }, 'exp'],
    ['leave out its audience', { aud: [] }, 'aud'],
    ['make it for nobody', { aud: [''] }, 'aud'],
  ])('%s', async (_, change, claim) => {
    await expect(signJwt(jwt(change))).rejects.toMatchObject({
      code: 'ERR_JWT_SVID_INVALID',
      message: expect.stringContaining(`invalid JWT-SVID "${claim}" claim: `),
    })
  })

  it('sign one whose time has not come, and are told when it comes', async () => {
    await expect(signJwt(jwt({ nbf: 4_000_000_000 }))).rejects.toThrow(
      'invalid JWT-SVID "nbf" claim: not yet valid until 2096-10-02T07:06:40Z',
    )
    await expect(signJwt(jwt({ nbf: 1e300 }))).rejects.toThrow('not yet valid until 1e+300')
  })

  it('make a CA that may do more, or is for another trust domain', async () => {
    for (const extra of [
      extension('2.5.29.15', Buffer.of(3, 2, 3, 0xa8), true),
      extension('2.5.29.17', uris('spiffe://other.org')),
    ]) {
      const composers = listOf([
        { composeServerX509Ca: async (ca) => ({ ...ca, extraExtensions: [extra] }) },
      ])
      const next = new TestState().manager({ composers })
      await expect(next.start()).rejects.toMatchObject({ code: 'ERR_CERTIFICATE_INVALID' })
    }
  })

  it('fail quietly: its error is the signing’s', async () => {
    const failing: Partial<CredentialComposer> = {
      composeWorkloadX509Svid: () => Promise.reject(new Error('no')),
    }
    await expect(signX509('workload', failing)).rejects.toThrow('credentialcomposer(test): no')
  })
})

describe('composers', () => {
  it('are asked in order, each with what the one before made, and only for what they know', async () => {
    const seen: string[] = []
    const add = (text: string): Partial<CredentialComposer> =>
      x509(({ subject }) => {
        seen.push(`${subject.organization}`)
        return { subject: { ...subject, organization: [...(subject.organization ?? []), text] } }
      })
    const svid = await signX509('workload', add('b'), {}, add('c'))
    expect(seen).toEqual(['SPIRE', 'SPIRE,b'])
    expect(parseName(svid.subjectRaw).name.organization).toEqual(['b', 'c', 'SPIRE'])
    const agent = await signX509('agent', add('b'))
    expect(parseName(agent.subjectRaw).name.organization).toEqual(['SPIRE'])
  })

  it('replace names and add extensions', async () => {
    const svid = await signX509(
      'workload',
      x509(() => ({
        dnsNames: ['b.test'],
        extraExtensions: [extension('1.3.6.1.4.1.99999.1', Buffer.of(5, 0))],
      })),
    )
    expect(svid.dnsNames).toEqual(['b.test'])
    expect(svid.uriSans).toEqual([spiffeId.toString()])
    expect(Buffer.from(svid.raw).toString('hex')).toContain('06092b06010401868d1f01')
  })

  it('change claims, whose times stay whole seconds', async () => {
    const now = state.clock.nowMs() / 1000
    const { payload, issuedAtSeconds, expiresAtSeconds } = await signJwt(
      jwt({ z: 1, a: { d: 1.5, c: '<' }, exp: now + 60.7, iat: now + 0.2 }),
    )
    expect([issuedAtSeconds, expiresAtSeconds]).toEqual([now, now + 60])
    expect(payload).toBe(
      `{"a":{"c":"\\u003c","d":1.5},"aud":["a"],"exp":${now + 60},"iat":${now},"sub":"${spiffeId}","z":1}`,
    )
  })

  it('change CA certificates: policies, subject and extensions', async () => {
    const composers = listOf([
      {
        composeServerX509Ca: async ({ subject }) => ({
          subject: { ...subject, organization: ['composed'] },
          policyIdentifiers: ['1.2.3.4'],
          extraExtensions: [],
        }),
      },
    ])
    const composed = new TestState().manager({ composers })
    await composed.start()
    const ca = composed.x509()
    const policies = '0603551d2004' // certificatePolicies
    expect(Buffer.from(ca.certificate).toString('hex')).toContain(policies)
    expect(parseName(ca.subject).name.organization).toEqual(['composed'])
    const { chain } = await signDownstreamCa({
      ca,
      trustDomain: state.trustDomain,
      publicKey,
      ttlSeconds: 600,
      nowMs: state.clock.nowMs(),
      serialNumbers: new SerialNumbers(),
      composers,
    })
    expect(Buffer.from(chain[0] ?? []).toString('hex')).toContain(policies)
  })
})

describe('credential composer uniqueid', () => {
  it('adds the first half of the hash of the SPIFFE ID to workloads’ subjects, and nothing else', async () => {
    const svid = await signX509('workload', new UniqueIdComposer())
    // The first 32 characters of: printf spiffe://example.org/web | sha256sum
    const attribute = derSequence(
      derOid('2.5.4.45'),
      derElement(derTag.printableString, Buffer.from('5435ad736577b1c6010684ba059e1171')),
    )
    expect(Buffer.from(svid.subjectRaw).toString('hex')).toContain(attribute.toString('hex'))
    for (const holder of ['server', 'agent'] as const) {
      const other = await signX509(holder, new UniqueIdComposer())
      expect(Buffer.from(other.subjectRaw).toString('hex')).not.toContain('060355042d')
    }
  })

  it('replaces the attribute where there is one', async () => {
    const before = x509(({ subject }) => ({
      subject: { ...subject, extraNames: [{ oid: '2.5.4.45', value: 'other' }] },
    }))
    const svid = await signX509('workload', before, new UniqueIdComposer())
    expect(Buffer.from(svid.subjectRaw).toString('latin1')).not.toContain('other')
  })
})
