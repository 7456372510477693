import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { makeTestCertificate, testName } from '@mini-spire/sdk/testing'
import { type Certificate, parseCertificate, verifyChain } from '@mini-spire/sdk/x509'
import { describe, expect, it } from 'vitest'
import { twinOfCertificate } from './certificate-twin.ts'

const now = new Date('2026-03-01T12:00:00Z')
const name = testName('root')

interface Keys {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

const ec = (namedCurve: string): Keys => generateKeyPairSync('ec', { namedCurve })

function certify(publicKey: KeyObject, issuer: KeyObject, isCa: boolean): Certificate {
  const at = (ms: number): Date => new Date(now.getTime() + ms)
  const options = {
    publicKey,
    notBefore: at(-1000),
    notAfter: at(1000),
    isCa,
    commonName: isCa ? 'root' : 'leaf',
  }
  return parseCertificate(makeTestCertificate({ name, privateKey: issuer }, options))
}

describe('a certificate whose signature is written otherwise', () => {
  it.each(['P-256', 'P-384', 'P-521'])('is as valid, by a key on %s', (curve) => {
    const keys = ec(curve)
    const root = certify(keys.publicKey, keys.privateKey, true)
    // Numbers that begin with a high bit, or with zeros, are written in more bytes or fewer.
    for (let round = 0; round < 30; round++) {
      const leaf = certify(ec('P-256').publicKey, keys.privateKey, false)
      const twin = parseCertificate(twinOfCertificate(leaf, root) ?? new Uint8Array())
      expect(twin.equals(leaf)).toBe(false)
      expect(verifyChain({ chain: [twin], roots: [root], now })).toHaveLength(2)
      expect(Buffer.from(twinOfCertificate(twin, root) ?? [])).toEqual(Buffer.from(leaf.raw))
    }
  })

  it.each<[string, () => Keys]>([
    ['RSA', () => generateKeyPairSync('rsa', { modulusLength: 2048 })],
    ['Ed25519', () => generateKeyPairSync('ed25519')],
  ])('is not there by a key of the kind %s: its signature has one form', (_, make) => {
    const keys = make()
    const root = certify(keys.publicKey, keys.privateKey, true)
    const leaf = certify(ec('P-256').publicKey, keys.privateKey, false)
    expect(twinOfCertificate(leaf, root)).toBeUndefined()
  })

  it('does not matter where nobody looks at the signature', () => {
    const keys = ec('P-256')
    const leaf = certify(keys.publicKey, keys.privateKey, false)
    expect(twinOfCertificate(leaf, undefined)).toBeUndefined()
  })
})
