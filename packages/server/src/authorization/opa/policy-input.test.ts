import { fromBinary } from '@bufbuild/protobuf'
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt'
import { descriptors } from '@mini-spire/runtime/proto/descriptors'
import { ListAgentsRequest } from '@mini-spire/runtime/proto/spire/api/server/agent/v1/agent'
import { BatchCreateEntryRequest } from '@mini-spire/runtime/proto/spire/api/server/entry/v1/entry'
import { describe, expect, it } from 'vitest'
import { requestInput, wireName } from './policy-input.ts'

const unlimited = Number.POSITIVE_INFINITY

describe('a request as a policy sees it', () => {
  it('has the names of the wire contract for every field of the server’s API', () => {
    const { file } = fromBinary(FileDescriptorSetSchema, Buffer.from(descriptors, 'base64'))
    const fields = file
      .filter((one) => /^spire\.api\.(server|types)\b|^grpc\.health\b/.test(one.package))
      .flatMap(({ messageType }) => messageType.flatMap(({ field }) => field))
    expect(fields.length).toBeGreaterThan(100)
    for (const { name, jsonName } of fields) expect(wireName(jsonName)).toBe(name)
  })

  it('leaves out what is zero, as Go does, and shows numbers as numbers', () => {
    const request = BatchCreateEntryRequest.fromPartial({
      entries: [
        {
          spiffeId: { trustDomain: 'example.org', path: '/a' },
          selectors: [{ type: 'unix', value: 'uid:1' }],
          x509SvidTtl: 60,
          expiresAt: 4611686018427387904n,
          admin: false,
          downstream: true,
        },
      ],
    })
    expect(requestInput(request, unlimited)).toEqual({
      entries: [
        {
          spiffe_id: { trust_domain: 'example.org', path: '/a' },
          selectors: [{ type: 'unix', value: 'uid:1' }],
          x509_svid_ttl: 60,
          expires_at: 2 ** 62,
          downstream: true,
        },
      ],
    })
  })

  it('tells what is not set from what is false, where the wire does', () => {
    const filterOf = (byBanned: boolean | undefined): unknown =>
      requestInput(ListAgentsRequest.fromPartial({ filter: { byBanned } }), unlimited)
    expect([undefined, false, true].map(filterOf)).toEqual([
      { filter: {} },
      { filter: { by_banned: {} } },
      { filter: { by_banned: { value: true } } },
    ])
  })

  it('shows bytes in base64, and a stream as null', () => {
    expect(
      requestInput({ csr: new Uint8Array([1, 2]), empty: new Uint8Array() }, unlimited),
    ).toEqual({ csr: 'AQI=' })
    expect(requestInput(undefined, unlimited)).toBeNull()
  })

  it('ends as soon as it is larger than it may be', () => {
    expect(requestInput({ token: 'x'.repeat(99) }, 100)).toBeUndefined()
    expect(requestInput({ csr: new Uint8Array(99) }, 100)).toBeUndefined()
    expect(requestInput({ token: 'x'.repeat(90) }, 100)).toEqual({ token: 'x'.repeat(90) })
  })
})
