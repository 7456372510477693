import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import vectors from '../../../test/vectors/store/set-digest.json' with { type: 'json' }
import { type DigestedEntry, digestAlgorithm, SetDigest } from './set-digest.ts'

function digestOf(entries: readonly DigestedEntry[], epoch = 'epoch'): string {
  const digest = new SetDigest()
  for (const entry of entries) digest.add(entry)
  return Buffer.from(digest.digest(epoch)).toString('hex')
}

const entry = fc.record({
  id: fc.string({ minLength: 1, maxLength: 4 }),
  revisionNumber: fc.nat(3),
  createdAtSeconds: fc.nat(3),
})
const entries = fc.uniqueArray(entry, { selector: JSON.stringify, maxLength: 12 })

describe('set digest', () => {
  it('differs when the epoch, an entry, its revision or its creation does', () => {
    const one = { id: 'a', revisionNumber: 1, createdAtSeconds: 5 }
    const digests = [
      digestOf([]),
      digestOf([], 'other'),
      digestOf([one]),
      digestOf([one, { ...one, id: 'b' }]),
      digestOf([{ ...one, revisionNumber: 2 }]),
      digestOf([{ ...one, createdAtSeconds: 6 }]),
    ]
    expect(new Set(digests).size).toBe(digests.length)
  })

  it('does not depend on the order, nor on what came and went', () => {
    fc.assert(
      fc.property(entries, entries, (kept, passing) => {
        const digest = new SetDigest()
        for (const added of [...passing, ...kept.toReversed()]) digest.add(added)
        for (const removed of passing) digest.remove(removed)
        expect(Buffer.from(digest.digest('epoch')).toString('hex')).toBe(digestOf(kept))
        expect(digest.count).toBe(kept.length)
      }),
    )
  })

  it.each(vectors.cases)('gives the vector of $name', ({ epoch, entries: given, digest }) => {
    expect(vectors.algorithm).toBe(digestAlgorithm)
    expect(digestOf(given, epoch)).toBe(digest)
  })
})
