import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { type ClientOf, createClient } from '@mini-spire/runtime/grpc/client'
import { SVIDService } from '@mini-spire/runtime/proto/spire/api/server/svid/v1/svid'
import type { SPIFFEID } from '@mini-spire/runtime/proto/spire/api/types/spiffeid'
import { buildCsr } from '@mini-spire/runtime/x509/csr'
import { parseCertificate } from '@mini-spire/sdk/x509'
import { describe, it } from 'vitest'
import type { Chance } from './chance.ts'
import { isSpireMissing } from './programs.ts'
import { expectSameAnswers, requestCount, seed } from './same-answers.ts'

const count = requestCount(1000)

type SvidRequest =
  | { readonly kind: 'x509'; readonly csr: Uint8Array; readonly ttl: number }
  | {
      readonly kind: 'jwt'
      readonly id: SPIFFEID | undefined
      readonly audience: string[]
      readonly ttl: number
    }
  | {
      readonly kind: 'wit'
      readonly id: SPIFFEID | undefined
      readonly publicKey: Uint8Array
      readonly ttl: number
      readonly signingAlgorithm: string
    }
  | { readonly kind: 'forbidden'; readonly method: 'downstream' | 'batch' | 'newJwt' }

/** CSRs are made once: of good and bad names, and what is none. */
async function makeCsrs(): Promise<readonly Uint8Array[]> {
  const key: KeyObject = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  const uris = [
    'spiffe://example.org/a',
    'spiffe://example.org/b',
    'spiffe://example.org',
    'spiffe://other.org/a',
    'spiffe://example.org/spire/agent/x',
    'spiffe://example.org/spire/server',
    'https://example.org/a',
    'spiffe://example.org/a/',
  ]
  const named = uris.map((uriSan) => buildCsr({ key, uriSan }))
  const dns = [['a.example'], ['b.example', 'a.example'], ['*.c'], ['']].map((dnsNames) =>
    buildCsr({ key, uriSan: 'spiffe://example.org/a', dnsNames }),
  )
  const made = await Promise.all([...named, ...dns, buildCsr({ key })])
  const torn = Buffer.from(made[0] ?? [])
  torn[torn.length - 1] = (torn[torn.length - 1] ?? 0) ^ 1
  return [...made, torn, new Uint8Array(), Buffer.from('no request')]
}

function requestsOf(chance: Chance, csrs: readonly Uint8Array[]): () => SvidRequest {
  const keys = ['P-256', 'P-384'].map((namedCurve) =>
    createPublicKey(generateKeyPairSync('ec', { namedCurve }).privateKey).export({
      type: 'spki',
      format: 'der',
    }),
  )
  const id = (): SPIFFEID | undefined => {
    if (chance.happens(0.05)) return undefined
    const trustDomain = chance.happens(0.1) ? chance.of(['', 'other.org', 'A']) : 'example.org'
    return { trustDomain, path: chance.of(['/a', '/b', '', '/', '/spire/server', '/a b', 'a']) }
  }
  return () => {
    const ttl = chance.of([0, 60, 3600, 86_400 * 365, -1])
    const draw = chance.draw()
    if (draw < 0.4) return { kind: 'x509', csr: chance.of(csrs), ttl }
    if (draw < 0.7) {
      const audience = chance.some(() => chance.of(['a', 'b', '', 'ä']), 3)
      return { kind: 'jwt', id: id(), audience, ttl }
    }
    if (draw < 0.95) {
      const publicKey = chance.happens(0.1)
        ? chance.of([new Uint8Array(), Buffer.from('x')])
        : chance.of(keys)
      // None is refused by SPIRE without a word (docs/decisions/compatibility.md): not asked for.
      const signingAlgorithm = chance.of(['ES256', 'ES384', 'ES256', 'RS256', 'HS256'])
      return { kind: 'wit', id: id(), publicKey, ttl, signingAlgorithm }
    }
    return { kind: 'forbidden', method: chance.of(['downstream', 'batch', 'newJwt'] as const) }
  }
}

/** Minutes of life, since both servers do not answer in the same second. */
function minutesUntil(expiresAt: bigint): number {
  return Math.round((Number(expiresAt) - Date.now() / 1000) / 60)
}

async function ask(client: ClientOf<typeof SVIDService>, request: SvidRequest): Promise<unknown> {
  switch (request.kind) {
    case 'x509': {
      const { svid } = await client.mintX509Svid(request)
      const leaf = parseCertificate(svid?.certChain[0] ?? new Uint8Array())
      const minutes = minutesUntil(svid?.expiresAt ?? 0n)
      return { id: svid?.id, certificates: svid?.certChain.length, minutes, dns: leaf.dnsNames }
    }
    case 'jwt': {
      const { svid } = await client.mintJwtsvid(request)
      const [, claims = ''] = svid?.token.split('.') ?? []
      const { aud, sub } = JSON.parse(Buffer.from(claims, 'base64url').toString())
      return {
        id: svid?.id,
        hint: svid?.hint,
        minutes: minutesUntil(svid?.expiresAt ?? 0n),
        aud,
        sub,
      }
    }
    case 'wit': {
      const { svid } = await client.mintWitsvid(request)
      return { id: svid?.id, minutes: minutesUntil(svid?.expiresAt ?? 0n) }
    }
    case 'forbidden':
      if (request.method === 'batch') return await client.batchNewX509Svid({ params: [] })
      if (request.method === 'newJwt')
        return await client.newJwtsvid({ entryId: 'e', audience: ['a'] })
      return await client.newDownstreamX509Ca({ csr: new Uint8Array(), preferredTtl: 0 })
    default:
      return request satisfies never
  }
}

describe.skipIf(isSpireMissing())('the SVID service', () => {
  it(`answers ${count} generated requests as SPIRE's does (SEED=${seed})`, async () => {
    const csrs = await makeCsrs()
    await expectSameAnswers<SvidRequest>({
      count,
      options: () => ({
        settings: 'ca_ttl = "48h" experimental { feature_flags = ["wit-svid"] }',
      }),
      source: (chance) => requestsOf(chance, csrs),
      open: async ({ channel }) => {
        const client = createClient(SVIDService, channel)
        return (request) => ask(client, request)
      },
    })
  })
})
