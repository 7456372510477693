import { createHash, createPublicKey } from 'node:crypto'
import { ApiError } from '@mini-spire/runtime/grpc/api-error'
import { type ClientOf, createClient } from '@mini-spire/runtime/grpc/client'
import {
  AppendBundleRequest,
  BatchCreateFederatedBundleRequest,
  BatchDeleteFederatedBundleRequest,
  BatchUpdateFederatedBundleRequest,
  BundleService,
} from '@mini-spire/runtime/proto/spire/api/server/bundle/v1/bundle'
import { Bundle, BundleMask } from '@mini-spire/runtime/proto/spire/api/types/bundle'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { TestCa } from '@mini-spire/sdk/testing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { putEntry, testDomain, testEntry, testId } from '../../store/store.test-kit.ts'
import { ApiScene, failureOf } from '../api.test-kit.ts'
import { bundleService } from './service.ts'

type BundleInput = NonNullable<Parameters<typeof Bundle.fromPartial>[0]>

const ca = TestCa.create('other.org')
const asn1 = ca.certificate.raw
const publicKey = createPublicKey(ca.jwtKey).export({ type: 'spki', format: 'der' })
const offCurve = Buffer.from(publicKey)
offCurve[offCurve.length - 1] = (offCurve.at(-1) ?? 0) ^ 1
const jwtKey = { publicKey, keyId: 'kid', expiresAt: 2_000_000_000n }
const foreign = (over: BundleInput = {}): BundleInput => ({
  trustDomain: 'other.org',
  x509Authorities: [{ asn1 }],
  jwtAuthorities: [jwtKey],
  refreshHint: 300n,
  sequenceNumber: 7n,
  ...over,
})

let scene: ApiScene
let client: ClientOf<typeof BundleService>
let limited: number[]
let refuseLimit: Error | undefined
beforeEach(async () => {
  scene = new ApiScene()
  limited = []
  refuseLimit = undefined
  const channel = await scene.serve(({ state, ownBundle }) =>
    bundleService({
      trustDomain: testDomain,
      state,
      ownBundle,
      limit: async (_call, count) => {
        limited.push(count)
        if (refuseLimit) throw refuseLimit
      },
    }),
  )
  client = createClient(BundleService, channel)
})
afterEach(async () => {
  await scene[Symbol.asyncDispose]()
})

async function create(...bundle: BundleInput[]) {
  const request = BatchCreateFederatedBundleRequest.fromPartial({ bundle })
  return (await client.batchCreateFederatedBundle(request)).results
}

const append = (request: Parameters<typeof AppendBundleRequest.fromPartial>[0]) =>
  client.appendBundle(AppendBundleRequest.fromPartial(request))

describe('the own bundle', () => {
  it('is not found before it has an authority', async () => {
    expect(await failureOf(client.getBundle({ outputMask: undefined }))).toEqual({
      code: 5,
      message: 'bundle not found',
    })
  })

  it('takes nothing without authorities, WIT authorities do not count', async () => {
    const witAuthorities = [{ publicKey, keyId: 'w' }]
    expect(await failureOf(append({ witAuthorities }))).toEqual({
      code: 3,
      message: 'no authorities to append',
    })
  })

  it.each<[string, Parameters<typeof AppendBundleRequest.fromPartial>[0], string]>([
    [
      'two certificates in one element',
      { x509Authorities: [{ asn1: Buffer.concat([asn1, asn1]) }] },
      'failed to convert X.509 authority: ',
    ],
    [
      'an empty element',
      { x509Authorities: [{ asn1: Buffer.of() }] },
      'failed to convert X.509 authority: ',
    ],
    [
      'a key that is none',
      { jwtAuthorities: [{ publicKey: Buffer.of(1), keyId: 'x' }] },
      'failed to convert JWT authority: ',
    ],
    [
      'a key that is off its curve',
      { jwtAuthorities: [{ publicKey: offCurve, keyId: 'x' }] },
      'failed to convert JWT authority: x509: public key is not valid',
    ],
    [
      'a key without ID',
      { jwtAuthorities: [{ publicKey, keyId: '' }] },
      'failed to convert JWT authority: missing key ID',
    ],
    [
      'a good certificate beside a bad key',
      { x509Authorities: [{ asn1 }], jwtAuthorities: [{ publicKey: Buffer.of(1), keyId: 'x' }] },
      'failed to convert JWT authority: ',
    ],
  ])('refuses %s, and stays as it was', async (_, request, message) => {
    const failure = await failureOf(append(request))
    expect(failure.code).toBe(3)
    expect(failure.message).toContain(message)
    expect(scene.ownBundle.get()).toBeUndefined()
  })

  it('is made by the first append, ignores tainted marks, and is masked as asked', async () => {
    const outputMask = BundleMask.fromPartial({ jwtAuthorities: true })
    const made = await append({
      x509Authorities: [{ asn1, tainted: true }],
      jwtAuthorities: [{ ...jwtKey, tainted: true }],
      outputMask,
    })
    expect(made).toEqual(
      Bundle.fromPartial({ trustDomain: 'example.org', jwtAuthorities: [jwtKey] }),
    )
    const whole = await client.getBundle({ outputMask: undefined })
    expect(
      whole.x509Authorities.map((one) => [Buffer.compare(one.asn1, asn1), one.tainted]),
    ).toEqual([[0, false]])
    const none = await client.getBundle({ outputMask: BundleMask.fromPartial({}) })
    expect(none).toEqual(Bundle.fromPartial({ trustDomain: 'example.org' }))
    expect(await client.countBundles({})).toEqual({ count: 1 })
  })

  it('leaves hashes in the audit line, never the authority', async () => {
    await append({ x509Authorities: [{ asn1 }], jwtAuthorities: [jwtKey] })
    const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
    expect(scene.audit.fields).toEqual({
      'x509_authorities_asn1_sha256.0': sha256(asn1),
      'jwt_authority_public_key_sha256.0': sha256(publicKey),
      'jwt_authority_key_id.0': 'kid',
      'jwt_authority_expires_at.0': 2_000_000_000n,
    })
  })
})

describe('publishing', () => {
  it('waits for its share before it looks at the request', async () => {
    refuseLimit = new ApiError(
      'resource-exhausted',
      'rate: Wait(n=1) would exceed context deadline',
    )
    expect(await failureOf(client.publishJwtAuthority({ jwtAuthority: undefined }))).toEqual({
      code: 8,
      message:
        'rejecting request due to key publishing rate limiting: rate: Wait(n=1) would exceed context deadline',
    })
    expect(limited).toEqual([1])
  })

  it('refuses what is no JWT authority', async () => {
    expect(await failureOf(client.publishJwtAuthority({ jwtAuthority: undefined }))).toEqual({
      code: 3,
      message: 'missing JWT authority',
    })
    const jwtAuthority = { publicKey, keyId: '', expiresAt: 0n, tainted: false }
    expect(await failureOf(client.publishJwtAuthority({ jwtAuthority }))).toEqual({
      code: 3,
      message: 'invalid JWT authority: missing key ID',
    })
    const spoiled = { ...jwtAuthority, publicKey: offCurve, keyId: 'x' }
    expect(await failureOf(client.publishJwtAuthority({ jwtAuthority: spoiled }))).toEqual({
      code: 3,
      message: 'invalid JWT authority: x509: public key is not valid',
    })
    expect(await failureOf(client.publishWitAuthority({ witAuthority: undefined }))).toEqual({
      code: 12,
      message: 'WIT-SVID functionality is not yet implemented',
    })
  })

  it('answers with all JWT authorities there are then', async () => {
    await append({ jwtAuthorities: [jwtKey] })
    const jwtAuthority = { publicKey, keyId: 'below', expiresAt: 5n, tainted: false }
    const { jwtAuthorities } = await client.publishJwtAuthority({ jwtAuthority })
    expect(jwtAuthorities.map(({ keyId }) => keyId)).toEqual(['kid', 'below'])
  })
})

describe('a federated bundle', () => {
  it.each<[string, BundleInput, string]>([
    [
      'without a trust domain',
      { trustDomain: '' },
      'trust domain argument is not valid: trust domain is missing',
    ],
    [
      'for the own trust domain',
      { trustDomain: 'example.org' },
      "creating a federated bundle for the server's own trust domain is not allowed",
    ],
    [
      'for the own trust domain by ID',
      { trustDomain: 'spiffe://example.org/x' },
      "creating a federated bundle for the server's own trust domain is not allowed",
    ],
    [
      'with a key without ID',
      { jwtAuthorities: [{ publicKey, keyId: '' }] },
      'failed to convert bundle: unable to parse JWT authority: missing key ID',
    ],
  ])('is not created %s', async (_, over, message) => {
    expect(await create(foreign(over))).toEqual([
      { status: { code: 3, message }, bundle: undefined },
    ])
    expect(scene.registry.bundles.size).toBe(0)
  })

  it('with something else than a certificate is not created', async () => {
    const [result] = await create(
      foreign({ x509Authorities: [{ asn1: Buffer.concat([asn1, asn1]) }] }),
    )
    expect(result?.status?.code).toBe(3)
    expect(result?.status?.message).toMatch(
      /^failed to convert bundle: unable to parse X\.509 authority: /,
    )
  })

  it('is created once, and read by name or ID', async () => {
    const results = await create(foreign(), foreign())
    expect(results).toEqual([
      { status: { code: 0, message: 'OK' }, bundle: Bundle.fromPartial(foreign()) },
      { status: { code: 6, message: 'bundle already exists' }, bundle: undefined },
    ])
    for (const trustDomain of ['other.org', 'spiffe://other.org/path']) {
      expect(await client.getFederatedBundle({ trustDomain, outputMask: undefined })).toEqual(
        Bundle.fromPartial(foreign()),
      )
    }
  })

  it.each([
    [
      'a bad name',
      'A',
      3,
      'trust domain argument is not valid: trust domain characters are limited to lowercase letters, numbers, dots, dashes, and underscores',
    ],
    [
      'the own name',
      'example.org',
      3,
      "getting a federated bundle for the server's own trust domain is not allowed",
    ],
    ['an unknown name', 'nope.org', 5, 'bundle not found'],
  ])('is not read by %s', async (_, trustDomain, code, message) => {
    expect(
      await failureOf(client.getFederatedBundle({ trustDomain, outputMask: undefined })),
    ).toEqual({ code, message })
  })

  it('is updated where the mask says, but checked as a whole', async () => {
    const update = async (bundle: BundleInput) =>
      (
        await client.batchUpdateFederatedBundle(
          BatchUpdateFederatedBundleRequest.fromPartial({
            bundle: [bundle],
            inputMask: BundleMask.fromPartial({ refreshHint: true }),
          }),
        )
      ).results[0]
    expect((await update(foreign()))?.status).toEqual({ code: 5, message: 'bundle not found' })
    await create(foreign())
    const bad = foreign({ jwtAuthorities: [{ publicKey: Buffer.of(), keyId: 'x' }] })
    expect((await update(bad))?.status?.code).toBe(3)
    expect((await update({ trustDomain: 'example.org' }))?.status?.message).toBe(
      "updating a federated bundle for the server's own trust domain is not allowed",
    )
    expect(await update({ trustDomain: 'other.org', refreshHint: 9n, sequenceNumber: 1n })).toEqual(
      {
        status: { code: 0, message: 'OK' },
        bundle: Bundle.fromPartial(foreign({ refreshHint: 9n })),
      },
    )
  })

  it('is set whether there is one or not', async () => {
    for (const refreshHint of [1n, 2n]) {
      const request = BatchCreateFederatedBundleRequest.fromPartial({
        bundle: [foreign({ refreshHint }), { trustDomain: 'example.org' }],
      })
      const { results } = await client.batchSetFederatedBundle(request)
      expect(results.map(({ status }) => status?.message)).toEqual([
        'OK',
        "setting a federated bundle for the server's own trust domain is not allowed",
      ])
    }
    expect(scene.registry.bundles.find('other.org')?.refreshHintSeconds).toBe(2)
  })

  it('keeps the largest numbers a message can hold', async () => {
    const [result] = await create(
      foreign({ refreshHint: 2n ** 63n - 1n, sequenceNumber: 2n ** 64n - 1n }),
    )
    expect(result?.bundle).toMatchObject({
      refreshHint: 2n ** 63n - 1n,
      sequenceNumber: 2n ** 64n - 1n,
    })
  })

  it('is listed without the own one, which makes pages short', async () => {
    await create(foreign({ trustDomain: 'a.org' }))
    await append({ x509Authorities: [{ asn1 }] })
    await create(foreign({ trustDomain: 'b.org' }))
    const pages: string[][] = []
    let pageToken = ''
    do {
      const page = await client.listFederatedBundles({
        outputMask: undefined,
        pageSize: 1,
        pageToken,
      })
      pages.push(page.bundles.map(({ trustDomain }) => trustDomain))
      pageToken = page.nextPageToken
    } while (pageToken !== '')
    expect(pages).toEqual([['a.org'], [], ['b.org'], []])
    expect(
      await failureOf(
        client.listFederatedBundles({ outputMask: undefined, pageSize: 1, pageToken: 'bogus' }),
      ),
    ).toEqual({
      code: 13,
      message: "failed to list bundles: could not parse token 'bogus'",
    })
  })
})

describe('deleting a federated bundle', () => {
  const remove = async (mode: 0 | 1 | 2, ...trustDomains: string[]) =>
    (
      await client.batchDeleteFederatedBundle(
        BatchDeleteFederatedBundleRequest.fromPartial({ mode, trustDomains }),
      )
    ).results
  const other = TrustDomain.parse('other.org')

  beforeEach(async () => {
    await create(foreign(), foreign({ trustDomain: 'third.org' }))
    const federatesWith = [other, TrustDomain.parse('third.org')]
    await scene.put(
      putEntry(testEntry('one', { federatesWith })),
      putEntry(testEntry('two', { federatesWith: [other], spiffeId: testId('/two') })),
      putEntry(testEntry('none', { spiffeId: testId('/none') })),
    )
  })
  const entries = () =>
    Array.from(scene.registry.entries.values(), ({ id, federatesWith, revisionNumber }) => [
      id,
      federatesWith.map(String),
      revisionNumber,
    ])

  it('leaves a line for each name in the audit, with the mode as SPIRE spells it', async () => {
    await remove(2, 'other.org', 'nobody.org')
    expect(scene.audit.items.map(({ fields, status }) => [status.code, fields])).toEqual([
      [0, { trust_domain_id: 'other.org', mode: 'DISSOCIATE' }],
      [5, { trust_domain_id: 'nobody.org', mode: 'DISSOCIATE' }],
    ])
  })

  it('answers for each name by itself, echoing it', async () => {
    expect(await remove(0, 'A', 'spiffe://example.org', 'nope.org', 'other.org')).toEqual([
      {
        trustDomain: 'A',
        status: {
          code: 3,
          message:
            'trust domain argument is not valid: trust domain characters are limited to lowercase letters, numbers, dots, dashes, and underscores',
        },
      },
      {
        trustDomain: 'spiffe://example.org',
        status: {
          code: 3,
          message: 'removing the bundle for the server trust domain is not allowed',
        },
      },
      { trustDomain: 'nope.org', status: { code: 5, message: 'bundle not found' } },
      {
        trustDomain: 'other.org',
        status: {
          code: 9,
          message:
            'failed to delete federated bundle: datastore-sql: cannot delete bundle; federated with 2 registration entries',
        },
      },
    ])
    expect(scene.registry.bundles.size).toBe(2)
  })

  it('refuses a mode nobody knows', async () => {
    expect(await failureOf(remove(9 as 0, 'other.org'))).toEqual({
      code: 3,
      message: 'failed to parse deletion mode: unhandled delete mode "9"',
    })
  })

  it('with DELETE takes the entries along', async () => {
    expect(await remove(1, 'other.org')).toMatchObject([{ status: { code: 0 } }])
    expect(entries()).toEqual([['none', [], 0]])
    expect(scene.registry.bundles.find('other.org')).toBeUndefined()
  })

  it('with DISSOCIATE takes the name out of the entries, and tells agents by a new revision', async () => {
    expect(await remove(2, 'other.org')).toMatchObject([{ status: { code: 0 } }])
    expect(entries()).toEqual([
      ['one', ['third.org'], 1],
      ['two', [], 1],
      ['none', [], 0],
    ])
  })

  it('works for many at once, once', async () => {
    const all = await Promise.all(Array.from({ length: 10 }, () => remove(2, 'other.org')))
    expect(
      all
        .flat()
        .map(({ status }) => status?.code)
        .sort(),
    ).toEqual([0, 5, 5, 5, 5, 5, 5, 5, 5, 5])
  })
})
