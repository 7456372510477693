import fc from 'fast-check'

/** Mostly IDs, with everything near them: other schemes, dots, escapes, look-alikes, marks that turn the text around. */
const piece = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom('a', 'Z', '0', '.', '..', '-', '_', '/', '//', 'example.org'),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      '%2e',
      '%',
      ':',
      '@',
      '?',
      '#',
      ' ',
      '\\',
      'A',
      'é',
      'ｅ',
      '\u202e',
      '\u0000',
    ),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'grapheme', maxLength: 3 }) },
)
const start = fc.oneof(
  { weight: 8, arbitrary: fc.constant('spiffe://') },
  {
    weight: 1,
    arbitrary: fc.constantFrom('', 'spiffe:/', 'SPIFFE://', 'https://', 'spiffe://a', 'spiffe:'),
  },
)
/** Texts that are SPIFFE IDs, and such as are nearly. */
export const nearIds: fc.Arbitrary<string> = fc
  .tuple(start, fc.array(piece, { maxLength: 8 }))
  .map(([scheme, pieces]) => scheme + pieces.join(''))
