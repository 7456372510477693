import { generateKeyPairSync, sign, verify } from 'node:crypto'
import { expect, it } from 'vitest'
import { p1363FromDer } from './ecdsa-signature.ts'

it.each([
  ['P-256', 32],
  ['P-384', 48],
])('a DER signature of %s verifies in the form that JOSE has', (namedCurve, bytes) => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve })
  // Numbers with and without leading zeros come up within a few hundred signatures.
  for (let round = 0; round < 300; round++) {
    const data = Buffer.from(`round ${round}`)
    const converted = p1363FromDer(sign('sha256', data, privateKey), bytes) ?? Buffer.of()
    expect(converted).toHaveLength(bytes * 2)
    const key = { key: publicKey, dsaEncoding: 'ieee-p1363' } as const
    expect(verify('sha256', data, key, converted)).toBe(true)
  }
})

it.each([
  ['nothing', ''],
  ['a truncated sequence', '3006020101'],
  ['trailing data', '300602010102010100'],
  ['a third number', '3009020101020101020101'],
  ['a number that is too long', `3026022101${'00'.repeat(32)}020101`],
])('%s is no signature', (_, hex) => {
  expect(p1363FromDer(Buffer.from(hex, 'hex'), 32)).toBeUndefined()
})
