import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { codecOf } from './generated-codecs.ts'
import { contentsOf, wireMessages, wireRegistry } from './wire-messages.ts'

const registry = wireRegistry()

describe('generated wire types', () => {
  it.each(wireMessages(registry).map((message) => [message.typeName, message] as const))(
    '%s: what protobuf-es writes is read and written again as the same message',
    async (_, message) => {
      const codec = await codecOf(message)
      fc.assert(
        fc.property(contentsOf(message), (contents) => {
          const bytes = toBinary(message, create(message, contents))
          const again = codec.encode(codec.decode(bytes)).finish()
          // An empty value of a map may be written or left out: both say the same, so both sides are written once more.
          const normal = toBinary(message, fromBinary(message, again))
          expect(Buffer.from(normal).toString('hex')).toBe(Buffer.from(bytes).toString('hex'))
        }),
        { numRuns: 25 },
      )
    },
  )

  it('keeps an expiry of 2^62 seconds', async () => {
    const { Entry } = await import('@mini-spire/runtime/proto/spire/api/types/entry')
    const entry = { ...Entry.fromPartial({}), expiresAt: 2n ** 62n }
    expect(Entry.decode(Entry.encode(entry).finish()).expiresAt).toBe(2n ** 62n)
  })

  it('reads a claim named __proto__ without touching a prototype', async () => {
    const { ValidateJWTSVIDResponse } = await import(
      '@mini-spire/sdk/internal/spiffe/workload/workload'
    )
    const claims = JSON.parse('{"__proto__":{"admin":true},"sub":"x"}')
    const sent = ValidateJWTSVIDResponse.encode({ spiffeId: 'x', claims }).finish()
    const read = ValidateJWTSVIDResponse.decode(sent)
    expect((read.claims as { admin?: boolean }).admin).toBeUndefined()
    expect(({} as { admin?: boolean }).admin).toBeUndefined()
  })

  it('refuses a message nested more than 100 deep', async () => {
    const { Struct } = await import('@mini-spire/sdk/internal/google/protobuf/struct')
    let deep: unknown = {}
    for (let level = 0; level < 200; level++) deep = { a: deep }
    const bytes = Struct.encode(Struct.wrap(deep as Record<string, unknown>)).finish()
    expect(() => Struct.decode(bytes)).toThrow(/recursion/)
  })
})
