import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { cpuMsOf } from '@mini-spire/runtime/cpu-time.test-kit'
import { makeTestCertificate, testName } from '@mini-spire/sdk/testing'
import { makeSignedData, type TestSigner } from '@mini-spire/sdk/testing/platforms'
import {
  type Certificate,
  derElement,
  derOid,
  derSequence,
  derTag,
  parseCertificate,
} from '@mini-spire/sdk/x509'
import { describe, expect, it } from 'vitest'
import { SignedData } from './signed-data.ts'

const [notBefore, notAfter] = [new Date(0), new Date(4e12)]
const keys = {
  rsa: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey,
  ec: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
  other: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey,
}
const content = Buffer.from('{"vmId":"1"}')
const oids = { contentType: '1.2.840.113549.1.9.3', messageDigest: '1.2.840.113549.1.9.4' }

function signerOf(
  privateKey: KeyObject,
  serial: number,
  more: Partial<TestSigner> = {},
): TestSigner {
  const issuer = { name: testName('issuer'), privateKey: keys.other }
  const serialNumber = Buffer.of(serial)
  const options = { publicKey: privateKey, notBefore, notAfter, serialNumber }
  return { certificate: makeTestCertificate(issuer, options), privateKey, ...more }
}

const signer = signerOf(keys.rsa, 1)
const other = signerOf(keys.other, 2)
const certificateOf = ({ certificate }: TestSigner): Certificate => parseCertificate(certificate)
const read = async (data: Uint8Array, by: TestSigner = signer): Promise<string> => {
  const signed = await SignedData.parse(data)
  return Buffer.from(await signed.contentSignedBy(certificateOf(by))).toString()
}

describe('signed data', () => {
  it.each([
    ['RSA', signer],
    ['RSA, the digest named as Azure does', { ...signer, digestName: '1.2.840.113549.1.1.11' }],
    ['RSA over attributes', { ...signer, hasAttributes: true }],
    ['RSA over attributes with a time', { ...signer, signingTime: new Date(1e12) }],
    ['ECDSA', signerOf(keys.ec, 3)],
    ['ECDSA over attributes', signerOf(keys.ec, 3, { hasAttributes: true })],
  ] as const)('gives the content that was signed by %s', async (_, by) => {
    const data = makeSignedData({ content, signers: [by] })
    expect(await read(data, by)).toBe(content.toString())
    const signed = await SignedData.parse(data)
    expect(Buffer.from(signed.onlySigner()?.raw ?? [])).toEqual(Buffer.from(by.certificate))
  })

  it('finds the signer wherever its certificate is', async () => {
    const certificates = [other.certificate, signer.certificate]
    for (const bag of [certificates, certificates.toReversed()]) {
      const signed = await SignedData.parse(
        makeSignedData({ content, signers: [signer], certificates: bag }),
      )
      expect(Buffer.from(signed.onlySigner()?.raw ?? [])).toEqual(Buffer.from(signer.certificate))
    }
  })

  it('has no only signer where there are two, none, or one without certificate', async () => {
    for (const [signers, certificates] of [
      [[signer, other], undefined],
      [[], [signer.certificate]],
      [[signer], [other.certificate]],
    ] as const) {
      const signed = await SignedData.parse(
        makeSignedData({ content, signers, ...(certificates && { certificates }) }),
      )
      expect(signed.onlySigner()).toBeUndefined()
    }
  })

  const withAttributes = (attributes: TestSigner['attributes']): TestSigner =>
    ({ ...signer, attributes }) as TestSigner
  const digest = [oids.messageDigest, derElement(derTag.octetString, Buffer.alloc(32))] as const
  const type = [oids.contentType, derOid('1.2.840.113549.1.7.1')] as const
  it.each([
    ['another key signed', { signers: [{ ...signer, privateKey: keys.other }] }, 'is wrong'],
    [
      'other content was signed',
      { signers: [{ ...signer, signed: Buffer.from('x') }] },
      'is wrong',
    ],
    ['somebody else signed', { signers: [other] }, 'somebody else'],
    ['a second one signed', { signers: [signer, other] }, 'somebody else'],
    ['nobody signed', { signers: [] }, 'nobody'],
    ['the digest is SHA-1', { signers: [{ ...signer, digest: 'sha1' }] }, 'algorithms'],
    ['the content is left out', { signers: [signer], isDetached: true }, 'holds no data'],
    ['the content is empty', { signers: [signer], content: Buffer.alloc(0) }, 'holds no data'],
    ['it is of another type', { signers: [signer], contentType: '1.2.3' }, 'holds no data'],
    ['a type is missing', { signers: [withAttributes([digest])] }, 'attributes'],
    ['a digest is missing', { signers: [withAttributes([type])] }, 'attributes'],
    ['a digest is wrong', { signers: [withAttributes([type, digest])] }, 'is wrong'],
    [
      'there are two digests',
      { signers: [{ ...signer, hasAttributes: true, attributes: [digest] }] },
      'attributes',
    ],
    [
      'the type is another',
      { signers: [withAttributes([[oids.contentType, derOid('1.2.3')], digest])] },
      'attributes',
    ],
    [
      'it was signed too early',
      { signers: [{ ...signer, signingTime: new Date(-1e12) }] },
      'valid',
    ],
  ] as const)('is refused when %s', async (_, changes, message) => {
    await expect(read(makeSignedData({ content, ...changes }))).rejects.toThrow(message)
  })

  it('is refused when its signer has the names of a certificate, and another key', async () => {
    const twin = signerOf(keys.other, 1)
    await expect(read(makeSignedData({ content, signers: [twin] }))).rejects.toThrow('is wrong')
  })

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['a word', Buffer.from('signed')],
    ['another type', derSequence(derOid('1.2.3'), derElement(0xa0, derSequence()))],
    [
      'something after it',
      Buffer.concat([makeSignedData({ content, signers: [signer] }), content]),
    ],
    ['10 MB', Buffer.alloc(10_000_000, 0x30)],
    ['a nest', Buffer.alloc(60_000, Buffer.of(0x30, 0x80))],
    ['a deep nest', nested(10_000)],
    ['a bag of rubbish', makeSignedData({ content, signers: [], certificates: [content] })],
    [
      'a hundred certificates',
      makeSignedData({
        content,
        signers: [],
        certificates: Array.from({ length: 100 }, () => signer.certificate),
      }),
    ],
    ['five signers', makeSignedData({ content, signers: Array.from({ length: 5 }, () => signer) })],
  ])('cannot be read from %s', async (_, data) => {
    const cpuMs = await cpuMsOf(() => expect(SignedData.parse(data)).rejects.toThrow())
    expect(cpuMs).toBeLessThan(2000)
  })
})

function nested(depth: number): Uint8Array {
  let data: Uint8Array = Buffer.alloc(0)
  for (let level = 0; level < depth; level++) data = derSequence(data)
  return data.subarray(0, 64 * 1024)
}
