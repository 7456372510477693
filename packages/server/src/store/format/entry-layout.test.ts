import { describe, expect, it } from 'vitest'
import { testEntry, testId, testSelectors } from '../store.test-kit.ts'
import { BinaryWriter } from './binary-writer.ts'
import { EntryLayout } from './entry-layout.ts'
import { writeRecord } from './record-codec.ts'

const entry = testEntry('one', {
  parentId: testId('/parent'),
  selectors: testSelectors('unix:uid:1', 'k8s:ns:a'),
  dnsNames: ['a.example', 'b.example'],
  expiresAtSeconds: 1_900_000_000,
})

function encoded(value = entry): Buffer {
  const writer = new BinaryWriter()
  writeRecord(writer, 'entry', value)
  return writer.take()
}

const text = (layout: EntryLayout, start: number, end: number): string =>
  layout.bytes.toString('latin1', start, end)

describe('EntryLayout', () => {
  it('finds the fields that entries are found by, wherever the entry lies', () => {
    const bytes = encoded()
    const inside = Buffer.concat([Buffer.from('before'), bytes, Buffer.from('after')])
    const layout = new EntryLayout().read(inside, 6, 6 + bytes.length)
    expect(text(layout, layout.idStart, layout.idEnd)).toBe('\x03one')
    expect(text(layout, layout.spiffeIdStart, layout.spiffeIdEnd)).toBe(
      '\x0bexample.org\x0d/workload/one',
    )
    expect(text(layout, layout.parentStart, layout.parentEnd)).toBe('\x0bexample.org\x07/parent')
    expect(text(layout, layout.parentPathStart, layout.parentEnd)).toBe('\x07/parent')
    const [first = 0, second = 0, end = 0] = layout.selectors
    expect(text(layout, first, second)).toBe('\x04unix\x05uid:1')
    expect(text(layout, second, end)).toBe('\x03k8s\x04ns:a')
    expect(layout.expiresAtSeconds).toBe(1_900_000_000)
  })

  it.each([
    ['isDownstream', { downstream: true }],
    ['hasHint', { hint: 'x'.repeat(200) }],
    ['isFederated', { federatesWith: [testId('').trustDomain] }],
  ] as const)('sees %s', (property, fields) => {
    const layout = new EntryLayout()
    const plain = encoded()
    expect(layout.read(plain, 0, plain.length)[property]).toBe(false)
    const bytes = encoded({ ...entry, ...fields })
    expect(layout.read(bytes, 0, bytes.length)[property]).toBe(true)
    expect(layout.read(plain, 0, plain.length)[property]).toBe(false)
  })

  it('refuses an entry that ends early, at any place, or late', () => {
    const bytes = Buffer.concat([encoded(), Buffer.of(0)])
    for (let end = 0; end < bytes.length - 1; end++) {
      expect(() => new EntryLayout().read(bytes, 0, end)).toThrow('stored data ends early')
    }
    expect(() => new EntryLayout().read(bytes, 0, bytes.length)).toThrow('bytes after its end')
  })

  it('refuses records of another kind and of a newer version', () => {
    const bytes = encoded()
    bytes[1] = 2
    expect(() => new EntryLayout().read(bytes, 0, bytes.length)).toThrow('of another kind')
    bytes[0] = 9
    expect(() => new EntryLayout().read(bytes, 0, bytes.length)).toThrow('format 9')
  })
})
