import { SpiffeId, TrustDomain } from '@mini-spire/sdk/spiffe-id'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import vectors from '../../../../../test/vectors/store/records.json' with { type: 'json' }
import type { RegistrationEntry } from '../../model/registration-entry.ts'
import { testEntry, testId } from '../store.test-kit.ts'
import type { RecordKind, Records } from '../store.ts'
import { BinaryReader } from './binary-reader.ts'
import { BinaryWriter } from './binary-writer.ts'
import { readChange, readChangeLink, writeChange } from './change-codec.ts'
import { sha256 } from './hash.ts'
import { IdReader } from './id-codec.ts'
import { readRecord, writeRecord } from './record-codec.ts'

const idFields = new Set(['spiffeId', 'parentId', 'endpointSpiffeId'])
const bytesFields = new Set(['certificate', 'publicKey'])

/** A record as the vectors write it (IDs and bytes as text), as the domain has it. */
function revive(name: string, value: unknown): unknown {
  if (typeof value === 'string') {
    if (idFields.has(name)) return SpiffeId.parse(value)
    if (name === 'trustDomain' || name === 'federatesWith') return TrustDomain.parse(value)
    if (bytesFields.has(name) || name === 'upstreamChain') {
      return new Uint8Array(Buffer.from(value, 'hex'))
    }
    return value
  }
  if (Array.isArray(value)) return value.map((item) => revive(name, item))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, revive(key, item)]))
}

function encode<Kind extends RecordKind>(kind: Kind, value: Records[Kind]): Buffer {
  const writer = new BinaryWriter()
  writeRecord(writer, kind, value)
  return writer.take()
}

const hex = (text: string): string => Buffer.from(text, 'latin1').toString('hex')
const latin1 = (text: string): string => Buffer.from(text, 'hex').toString('latin1')

describe('records', () => {
  it.each(vectors.records)('are written as the vector of $name says', (vector) => {
    const kind = vector.kind as RecordKind
    const value = revive('', vector.value) as Records[RecordKind]
    const bytes = encode(kind, value)
    expect(bytes.toString('hex')).toBe(vector.bytes)
    expect(hex(sha256(bytes))).toBe(vector.sha256)
    expect(readRecord(kind, bytes, new IdReader())).toEqual(value)
  })

  it.each(vectors.records)('are refused when cut anywhere: $name', ({ kind, bytes }) => {
    const whole = Buffer.from(bytes, 'hex')
    for (let length = 0; length < whole.length; length++) {
      const read = () => readRecord(kind as RecordKind, whole.subarray(0, length), new IdReader())
      expect(read).toThrow(expect.objectContaining({ code: expect.stringMatching(/^ERR_STORE_/) }))
    }
  })

  it('are refused with bytes after their end', () => {
    const bytes = Buffer.concat([encode('entry', testEntry('a')), Buffer.of(0)])
    expect(() => readRecord('entry', bytes, new IdReader())).toThrow(
      expect.objectContaining({ code: 'ERR_STORE_CORRUPT' }),
    )
  })

  it('of a newer version are refused as that', () => {
    const bytes = encode('entry', testEntry('a'))
    bytes[0] = 2
    expect(() => readRecord('entry', bytes, new IdReader())).toThrow(
      expect.objectContaining({ code: 'ERR_STORE_VERSION' }),
    )
  })

  it('say what kind they are of', () => {
    const bytes = encode('entry', testEntry('a'))
    expect(() => readRecord('node', bytes, new IdReader())).toThrow(
      expect.objectContaining({ code: 'ERR_STORE_CORRUPT' }),
    )
  })

  it('come back as they were, whatever text and numbers they hold', () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 80 })
    const seconds = fc.oneof(fc.maxSafeInteger(), fc.nat(200), fc.constant(2 ** 62))
    const fields = fc.record({
      id: text,
      hint: text,
      selectors: fc.array(fc.record({ type: text, value: text })),
      dnsNames: fc.array(text),
      expiresAtSeconds: seconds,
      x509SvidTtlSeconds: seconds,
      admin: fc.boolean(),
      downstream: fc.boolean(),
      storeSvid: fc.boolean(),
      disableX509SvidPrefetch: fc.boolean(),
      jwtSvidIncludeJti: fc.boolean(),
    })
    fc.assert(
      fc.property(fields, (given) => {
        const entry: RegistrationEntry = { ...testEntry('x'), spiffeId: testId(''), ...given }
        const read = readRecord('entry', encode('entry', entry), new IdReader())
        // A negative zero is written as zero.
        expect(read).toEqual({ ...entry, x509SvidTtlSeconds: entry.x509SvidTtlSeconds + 0 })
      }),
    )
  })
})

describe('changes', () => {
  it.each(vectors.changes)(
    'are written as the vector of $name says',
    ({ change, bytes, sha256: hash }) => {
      const writer = new BinaryWriter()
      const cause = {
        actor: { class: change.actorClass as 'admin', id: change.actorId },
        requestId: change.requestId,
        reason: change.reason,
      }
      writeChange(writer, {
        ...change,
        cause,
        kind: change.kind as RecordKind,
        before: latin1(change.before),
        after: latin1(change.after),
        previous: latin1(change.previous),
      })
      expect(writer.view().toString('hex')).toBe(bytes)
      expect(hex(sha256(writer.view()))).toBe(hash)
      expect(readChange(writer.take())).toMatchObject({
        position: { epoch: change.epoch, revision: change.revision },
        timeMs: change.timeMs,
        cause,
        key: change.key,
      })
    },
  )

  it('of a newer version are refused as that', () => {
    expect(() => readChangeLink(new BinaryReader(Buffer.of(2, 0)))).toThrow(
      expect.objectContaining({ code: 'ERR_STORE_VERSION' }),
    )
  })
})
