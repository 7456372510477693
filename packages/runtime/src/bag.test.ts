import { describe, expect, it } from 'vitest'
import { Bag } from './bag.ts'

function member(name: string): { readonly name: string; bagPlace: number } {
  return { name, bagPlace: 0 }
}

const namesOf = (bag: Bag<ReturnType<typeof member>>): string =>
  bag
    .members()
    .map(({ name }) => name)
    .sort()
    .join('')

describe('a bag', () => {
  it('has what was put in and not taken out, in whatever order', () => {
    const bag = new Bag<ReturnType<typeof member>>()
    const [a, b, c, d] = ['a', 'b', 'c', 'd'].map(member) as [
      ReturnType<typeof member>,
      ReturnType<typeof member>,
      ReturnType<typeof member>,
      ReturnType<typeof member>,
    ]
    for (const each of [a, b, c]) bag.add(each)
    expect(bag.delete(a)).toBe(true)
    expect(namesOf(bag)).toBe('bc')
    bag.add(d)
    expect(bag.delete(d)).toBe(true)
    expect(bag.delete(b)).toBe(true)
    bag.add(a)
    expect([namesOf(bag), bag.size]).toEqual(['ac', 2])
  })

  it('does not take out twice, nor what never was in it', () => {
    const bag = new Bag<ReturnType<typeof member>>()
    const [a, b] = [member('a'), member('b')]
    expect(bag.delete(a)).toBe(false)
    bag.add(a)
    expect(bag.delete(b)).toBe(false)
    expect(bag.delete(a)).toBe(true)
    expect(bag.delete(a)).toBe(false)
    expect(bag.size).toBe(0)
  })

  it('may lose members while they are gone through', () => {
    const bag = new Bag<ReturnType<typeof member>>()
    const all = ['a', 'b', 'c'].map(member)
    for (const each of all) bag.add(each)
    const seen = bag.members().map((each) => bag.delete(each))
    expect([seen, bag.size]).toEqual([[true, true, true], 0])
  })
})
