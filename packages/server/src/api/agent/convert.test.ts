import { describe, expect, it } from 'vitest'
import { expiresBeforeFromProto, nodeFilterFromProto } from './convert.ts'

const filter = {
  byAttestationType: '',
  bySelectorMatch: undefined,
  byBanned: undefined,
  byCanReattest: undefined,
  byExpiresBefore: '',
}

describe('the expiry filter of agent lists', () => {
  it.each(['bogus', '2026-05-01', '2026-13-01 10:00:00 +0000 +00', '2026-05-01T10:00:00Z'])(
    'refuses %j instead of selecting every agent',
    (text) => {
      expect(() => expiresBeforeFromProto(text)).toThrow(
        expect.objectContaining({ kind: 'invalid-argument' }),
      )
    },
  )

  it.each([
    ['', undefined],
    ['2026-05-01 10:00:00 +0000 +00', Date.UTC(2026, 4, 1, 10) / 1000],
    ['2026-05-01 10:00:00 +0130 +01', Date.UTC(2026, 4, 1, 8, 30) / 1000],
    ['2026-05-01 10:00:00 -0200 -02', Date.UTC(2026, 4, 1, 12) / 1000],
  ])('reads %j', (text, expected) => {
    expect(expiresBeforeFromProto(text)).toBe(expected)
  })
})

describe('the selector filter of agent lists', () => {
  const withSelectors = (selectors: { type: string; value: string }[], match = 0) => ({
    ...filter,
    bySelectorMatch: { selectors, match: match as never },
  })

  it.each([
    [withSelectors([]), 'internal', 'failed to list agents: cannot list by empty selectors set'],
    [
      withSelectors([{ type: '', value: 'x' }]),
      'invalid-argument',
      'failed to parse selectors: missing selector type',
    ],
    [
      withSelectors([{ type: 'a:b', value: 'x' }]),
      'invalid-argument',
      "failed to parse selectors: selector type contains ':'",
    ],
    [
      withSelectors([{ type: 'a', value: 'x' }], 9),
      'internal',
      'failed to list agents: datastore-sql: unhandled match behavior 9',
    ],
  ])('refuses %j', (refused, kind, message) => {
    expect(() => nodeFilterFromProto(refused, 'failed to list agents')).toThrow(
      expect.objectContaining({ kind, message }),
    )
  })

  it('is part of the filter that nodes are looked up by', () => {
    const selectors = [{ type: 'a', value: 'x:y' }]
    const read = nodeFilterFromProto({ ...withSelectors(selectors, 2), byBanned: false }, '')
    expect(read).toMatchObject({ selectors: { match: 'superset', selectors }, banned: false })
  })
})
