import { describe, expect, it } from 'vitest'
import { readStoredAttributes, readStoredBundle, readStoredJournal } from './spire-messages.ts'

describe('a stored message', () => {
  it.each([
    ['bundle', readStoredBundle],
    ['journal', readStoredJournal],
    ['set of attributes', readStoredAttributes],
  ])('that is no %s is refused as malformed', (_, read) => {
    const cutOff = Uint8Array.of(0x12, 0x7f, 1)
    expect(() => read(cutOff)).toThrow(
      expect.objectContaining({
        code: 'ERR_IMPORT_RECORD_MALFORMED',
        message: expect.stringMatching(/^stored message is malformed: /),
      }),
    )
  })
})
