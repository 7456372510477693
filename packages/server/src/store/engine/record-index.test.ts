import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sha256 } from '../format/hash.ts'
import { RecordIndex } from './record-index.ts'

const hashOf = (text: string): string => sha256(Buffer.from(text))

/** An index with entries of these keys, created in this order. */
function indexOf(...keys: readonly string[]): RecordIndex {
  const index = new RecordIndex()
  keys.forEach((key, at) => {
    index.set('entry', key, { createdRevision: at + 1, hash: hashOf(key) })
  })
  return index
}

const find = (index: RecordIndex, key: string, hash = hashOf(key)): number | undefined =>
  index.createdRevision(index.spanOf('entry', key), hash)

describe('RecordIndex', () => {
  it('finds records in any order, and none that is not there or has another hash', () => {
    const keys = ['a', 'b', 'c', 'd']
    const index = indexOf(...keys)
    const wanted = fc.constantFrom(...keys, 'e', '')
    fc.assert(
      fc.property(fc.array(wanted), fc.boolean(), (asked, isForged) => {
        for (const key of asked) {
          const at = keys.indexOf(key)
          const created = at < 0 || isForged ? undefined : at + 1
          expect(find(index, key, hashOf(isForged ? 'other' : key))).toBe(created)
        }
      }),
    )
  })

  it('does not find a record that was deleted, though it is the next', () => {
    const index = indexOf('a', 'b', 'c')
    expect(find(index, 'a')).toBe(1)
    index.set('entry', 'b', undefined)
    expect(find(index, 'b')).toBeUndefined()
    expect(find(index, 'c')).toBe(3)
  })

  it('finds a record that has come back where it is now', () => {
    const index = indexOf('a', 'b', 'c')
    expect(find(index, 'a')).toBe(1)
    index.set('entry', 'b', undefined)
    index.set('entry', 'b', { createdRevision: 7, hash: hashOf('b') })
    expect(find(index, 'b')).toBe(7)
  })
})
