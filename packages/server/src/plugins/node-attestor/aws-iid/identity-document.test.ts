import { sign } from 'node:crypto'
import { cpuMsOf } from '@mini-spire/runtime/cpu-time.test-kit'
import { sweepStep } from '@mini-spire/runtime/sweep.test-kit'
import { messageOf } from '@mini-spire/sdk/errors'
import {
  makeSignedData,
  makeTestSigner,
  TestAws,
  type TestSignedData,
  type TestSigner,
} from '@mini-spire/sdk/testing/platforms'
import { derElement, derOid, derTag } from '@mini-spire/sdk/x509'
import { describe, expect, it } from 'vitest'
import type { NodeAttestorError } from '../node-attestor-error.ts'
import { certificatesOf, payloadOf } from './aws-evidence.test-kit.ts'
import { type IdentityDocument, verifyIdentityDocument } from './identity-document.ts'

const contentTypeAttribute = '1.2.840.113549.1.9.3'
const digestAttribute = '1.2.840.113549.1.9.4'
const aws = new TestAws()
const certificates = certificatesOf(aws)
const { rsa2048: signer, rsa1024: bareSigner } = aws.signersOf('us-west-2')
const foreign = makeTestSigner(2048, 'AWS us-west-2')
const inOurName = { certificate: signer.certificate, hasAttributes: true }
const evidence = aws.evidence()
const expected: IdentityDocument = {
  accountId: '123456789012',
  region: 'us-west-2',
  availabilityZone: 'us-west-2a',
  instanceId: 'i-0123456789abcdef0',
  imageId: 'ami-0a1b2c3d4e5f60718',
}

const verify = (payload: Uint8Array): Promise<IdentityDocument> =>
  verifyIdentityDocument(payload, certificates)
const verifyParts = (change: object): Promise<IdentityDocument> =>
  verify(payloadOf({ ...evidence, ...change }))
const verifyMessage = (change: Partial<TestSignedData>): Promise<IdentityDocument> =>
  verifyParts({ rsa2048: aws.rsa2048(evidence.document, change) })
const verifySigner = (change: Partial<TestSigner>): Promise<IdentityDocument> =>
  verifyMessage({ signers: [{ ...signer, hasAttributes: true, ...change }] })
const error = (code: string, message: string): unknown =>
  expect.objectContaining({ code, message: expect.stringContaining(message) })
const malformed = (message: string): unknown => error('ERR_NODE_EVIDENCE_MALFORMED', message)

/** What came of it: the document, or the error. */
async function outcome(payload: Uint8Array): Promise<IdentityDocument | NodeAttestorError> {
  return await verify(payload).catch((cause: NodeAttestorError) => cause)
}

/** A change may lead to what the unchanged evidence leads to, or to a refusal that repeats nothing of it. */
function expectHarmless(found: IdentityDocument | NodeAttestorError, what: string): void {
  if (!(found instanceof Error)) {
    expect(found, what).toEqual(expected)
    return
  }
  expect(found.code, what).toMatch(/^ERR_NODE_(EVIDENCE_MALFORMED|ATTESTOR_FAILED)$/)
  for (const part of ['123456789012', 'i-0123456789', 'ami-', evidence.rsa2048.slice(0, 12)]) {
    expect(found.message, what).not.toContain(part)
  }
}

describe('an instance identity document', () => {
  it('is believed by its PKCS #7, as SPIRE’s agent sends it', async () => {
    expect(await verifyParts({})).toEqual(expected)
    expect(await verifyParts({ signature: '' })).toEqual(expected)
  })

  it('is believed by its bare signature, as agents before 1.6 send it', async () => {
    expect(await verifyParts({ rsa2048: '' })).toEqual(expected)
  })

  it('is believed when certificates come along, which nobody looks at', async () => {
    expect(await verifyMessage({ certificates: [foreign.certificate] })).toEqual(expected)
    expect(
      await verifyMessage({ certificates: [foreign.certificate, signer.certificate] }),
    ).toEqual(expected)
  })

  it.each([
    ['nothing', Buffer.alloc(0), 'missing attestation payload'],
    ['no JSON', Buffer.from('x'), 'failed to unmarshal the attestation data: invalid JSON'],
    ['a list', Buffer.from('[]'), 'failed to unmarshal the attestation data: '],
    ['a document of bytes', payloadOf({ document: 5 } as never), 'failed to unmarshal the att'],
    ['10 MB', Buffer.alloc(10_000_000, '['), 'the attestation data: it is too long'],
    ['64 KB of brackets', Buffer.alloc(65_536, '['), 'attestation data: invalid JSON'],
    ['no document', payloadOf({ ...evidence, document: '' }), 'failed to unmarshal the IID: '],
    ['a document of a number', payloadOf({ ...evidence, document: '7' }), 'unmarshal the IID: '],
    [
      'a document whose region is a list',
      payloadOf({ ...evidence, document: '{"region":[]}' }),
      'failed to unmarshal the IID: json: cannot unmarshal',
    ],
    [
      'no signature',
      payloadOf({ document: evidence.document }),
      'instance identity cryptographic signature is required',
    ],
  ])('cannot be read from %s', async (_, payload, message) => {
    await expect(verify(payload)).rejects.toThrow(malformed(message))
  })

  it('of a region without certificate is refused, and no more is said of it than a little', async () => {
    const document = aws.document({ region: `us-moon-1${'x'.repeat(1000)}` })
    const rsa2048 = aws.rsa2048(document)
    const refusing = verify(payloadOf({ document, rsa2048 }))
    const message = 'failed to load the AWS CA certificate for region "us-moon-1xx'
    await expect(refusing).rejects.toThrow(error('ERR_NODE_ATTESTOR_FAILED', message))
    await expect(refusing).rejects.toSatisfy((one: Error) => one.message.length < 200)
  })

  it.each(['__proto__', 'constructor', 'toString', ''])(
    'of a region called %j finds no certificate',
    async (region) => {
      const document = aws.document({ region })
      const rsa2048 = aws.rsa2048(document)
      await expect(verify(payloadOf({ document, rsa2048 }))).rejects.toThrow('unsupported region')
      const signature = aws.signature(document)
      await expect(verify(payloadOf({ document, signature }))).rejects.toThrow('verification error')
    },
  )

  it('of an unknown region is believed by the bare signature of AWS’s first certificate only', async () => {
    const document = aws.document({ region: 'us-moon-1' })
    const signature = aws.signature(document, aws.defaultSigner)
    const { region } = await verify(payloadOf({ document, signature }))
    expect(region).toBe('us-moon-1')
    const wrong = payloadOf({
      ...evidence,
      rsa2048: '',
      signature: aws.signature(evidence.document, aws.defaultSigner),
    })
    await expect(verify(wrong)).rejects.toThrow('crypto/rsa: verification error')
  })

  it('of one region is refused when the key of another signed it', async () => {
    const other = aws.signersOf('eu-west-1')
    await expect(verifySigner(other.rsa2048)).rejects.toThrow(
      malformed(
        'failed verification of instance identity cryptographic signature: somebody else signed it',
      ),
    )
    const signature = aws.signature(evidence.document, other.rsa1024)
    await expect(verifyParts({ rsa2048: '', signature })).rejects.toThrow(
      malformed('failed to verify the cryptographic signature: crypto/rsa: verification error'),
    )
  })
})

describe('a bare signature', () => {
  it('by anybody else is refused, in the words of SPIRE', async () => {
    const signature = aws.signature(evidence.document, makeTestSigner(1024))
    await expect(verifyParts({ rsa2048: '', signature })).rejects.toThrow(
      malformed(
        'rpc error: code = InvalidArgument desc = failed to verify the cryptographic signature: crypto/rsa: verification error',
      ),
    )
  })

  it.each(['!', 'AAA', 'AAAA====', 'A-_A'])('%j is not base64', async (signature) => {
    await expect(verifyParts({ rsa2048: '', signature })).rejects.toThrow(
      malformed('failed to decode the IID signature: illegal base64 data'),
    )
  })

  it('with a weaker digest is refused', async () => {
    const signature = sign('sha1', Buffer.from(evidence.document), bareSigner.privateKey)
    const text = signature.toString('base64')
    await expect(verifyParts({ rsa2048: '', signature: text })).rejects.toThrow(
      'verification error',
    )
  })
})

describe('a PKCS #7 message', () => {
  const cannotParse = 'failed to parse the instance identity cryptographic signature: '
  const unverified = 'failed verification of instance identity cryptographic signature: '

  it('of another instance does not vouch for this document [gate 1]', async () => {
    const other = aws.evidence({ instanceId: 'i-0fedcba9876543210' })
    await expect(verifyParts({ rsa2048: other.rsa2048 })).rejects.toThrow(
      malformed('instance identity document does not match the verified PKCS7 content'),
    )
    await expect(verifyParts({ document: other.document })).rejects.toThrow('does not match')
  })

  it('by a key that is not of AWS is refused, whatever it is called and brings along', async () => {
    const signers = [{ ...foreign, ...inOurName }]
    for (const certificates of [
      [],
      [foreign.certificate],
      [foreign.certificate, signer.certificate],
    ]) {
      await expect(verifyMessage({ signers, certificates })).rejects.toThrow(
        malformed(`${unverified}the signature is wrong`),
      )
    }
    await expect(verifySigner(foreign)).rejects.toThrow('somebody else signed it')
  })

  it('with a second signer is refused, before or after the first [gate 1]', async () => {
    const ours = { ...signer, hasAttributes: true }
    const theirs = { ...foreign, hasAttributes: true }
    for (const signers of [
      [ours, theirs],
      [theirs, ours],
      [ours, { ...foreign, ...inOurName }],
    ]) {
      await expect(verifyMessage({ signers })).rejects.toThrow(malformed(unverified))
    }
    expect(await verifyMessage({ signers: [ours, ours] })).toEqual(expected)
  })

  it.each<[string, Partial<TestSignedData>, string]>([
    ['nobody', { signers: [] }, 'nobody signed it'],
    ['a signer of nothing', { isDetached: true }, 'it holds no data'],
    ['another kind of content', { contentType: '1.2.840.113549.1.7.5' }, 'it holds no data'],
    ['a time stamp', { contentType: '1.2.840.113549.1.9.16.1.4' }, 'it holds no data'],
    ['SHA-1', { signers: [{ ...signer, digest: 'sha1' }] }, 'its algorithms are not supported'],
  ])('of %s is refused', async (_, change, message) => {
    await expect(verifyMessage(change)).rejects.toThrow(malformed(`${unverified}${message}`))
  })

  it('whose attributes are of other content is refused', async () => {
    await expect(verifySigner({ signed: Buffer.from('other') })).rejects.toThrow(
      malformed(`${unverified}the signature is wrong`),
    )
    const digestName = '2.16.840.1.101.3.4.2.3'
    await expect(verifySigner({ digestName })).rejects.toThrow('the signature is wrong')
  })

  it.each<[string, Partial<TestSigner>, string]>([
    [
      'that say it is of another kind',
      { attributes: [[contentTypeAttribute, derOid('1.2.840.113549.1.7.2')]] },
      'its signed attributes are not in order',
    ],
    [
      'with two digests',
      { attributes: [[digestAttribute, derElement(derTag.octetString, Buffer.alloc(32))]] },
      'its signed attributes are not in order',
    ],
    [
      'that were signed before its certificate was valid',
      { signingTime: new Date(Date.UTC(1965, 0)) },
      'it was signed when the certificate was not valid',
    ],
  ])('with attributes %s is refused [gate 1]', async (_, change, message) => {
    await expect(verifySigner({ hasAttributes: true, ...change })).rejects.toThrow(
      malformed(`${unverified}${message}`),
    )
  })

  it('cannot be turned into one whose attributes are the content [gate 1]', async () => {
    // The attributes as content, and the signature over them without attributes: the oldest trick with CMS.
    const whole = makeSignedData({
      content: Buffer.from(evidence.document),
      signers: [{ ...signer, hasAttributes: true }],
      certificates: [],
    })
    const at = whole.indexOf(Buffer.from('a0', 'hex'), whole.length - 420)
    const attributes = Buffer.concat([
      Buffer.of(0x31),
      whole.subarray(at + 1, at + 2 + (whole[at + 1] ?? 0)),
    ])
    const rsa2048 = aws.rsa2048('', {
      content: attributes,
      signers: [signer],
    })
    await expect(verifyParts({ rsa2048 })).rejects.toThrow('does not match the verified')
    const document = attributes.toString('latin1')
    await expect(verifyParts({ document, rsa2048 })).rejects.toThrow('unmarshal the IID')
  })

  it.each([
    ['!', 'failed to decode the instance identity cryptographic signature'],
    ['-----END PKCS7-----', 'failed to decode the instance identity cryptographic signature'],
    ['AAAA', `${cannotParse}it is no signed data`],
    ['MAA=', `${cannotParse}it is no signed data`],
    [Buffer.alloc(30_000, '3080', 'hex').toString('base64'), `${cannotParse}it is no signed data`],
    [Buffer.alloc(40_000, '0500', 'hex').toString('base64'), `${cannotParse}it is no signed data`],
  ])('cannot be read from %.20s', async (rsa2048, message) => {
    await expect(verifyParts({ rsa2048 })).rejects.toThrow(malformed(message))
  })

  it('with something behind it is refused', async () => {
    const bytes = Buffer.from(evidence.rsa2048, 'base64')
    for (const tail of [Buffer.of(1), Buffer.of(5, 0), bytes]) {
      const rsa2048 = Buffer.concat([bytes, tail]).toString('base64')
      await expect(verifyParts({ rsa2048 })).rejects.toThrow(`${cannotParse}it is no signed data`)
    }
  })
})

describe('evidence that was changed [gate 1]', () => {
  it('in any byte of the document is refused, or says the same', async () => {
    const { document } = evidence
    for (let index = 0; index < document.length; index += sweepStep) {
      const mark = document[index] === '0' ? '1' : '0'
      const changed = `${document.slice(0, index)}${mark}${document.slice(index + 1)}`
      const found = await outcome(payloadOf({ ...evidence, document: changed }))
      expect(found, `${index}`).toBeInstanceOf(Error)
      expectHarmless(found, `${index}`)
    }
  })

  it('in any byte of the PKCS #7 is refused, or says the same', async () => {
    const bytes = Buffer.from(evidence.rsa2048, 'base64')
    for (let index = 0; index < bytes.length; index += sweepStep) {
      const changed = Buffer.from(bytes)
      changed.writeUInt8(changed.readUInt8(index) ^ (1 << (index & 7)), index)
      const rsa2048 = changed.toString('base64')
      expectHarmless(await outcome(payloadOf({ ...evidence, rsa2048 })), `${index}`)
    }
  })

  it('by cutting or repeating any stretch of the PKCS #7 is refused, or says the same', async () => {
    const bytes = Buffer.from(evidence.rsa2048, 'base64')
    for (let from = 0; from < bytes.length; from += 13) {
      for (const length of [1, 40, bytes.length]) {
        const to = from + length
        const cut = Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)])
        const twice = Buffer.concat([bytes.subarray(0, to), bytes.subarray(from)])
        for (const changed of [cut, twice]) {
          if (changed.length === 0) continue
          const rsa2048 = changed.toString('base64')
          expectHarmless(await outcome(payloadOf({ ...evidence, rsa2048 })), `${from} ${length}`)
        }
      }
    }
  })

  it('in every third bit of the bare signature is refused', async () => {
    const bytes = Buffer.from(evidence.signature, 'base64')
    for (let index = 0; index < bytes.length * 8; index += 3) {
      const changed = Buffer.from(bytes)
      changed.writeUInt8(changed.readUInt8(index >> 3) ^ (1 << (index & 7)), index >> 3)
      const signature = changed.toString('base64')
      const found = await outcome(payloadOf({ ...evidence, rsa2048: '', signature }))
      expect(messageOf(found), `${index}`).toContain('crypto/rsa: verification error')
    }
  })

  it('in every third byte of the payload is refused, or says the same', async () => {
    const payload = payloadOf(evidence)
    for (let index = 0; index < payload.length; index += 3) {
      const changed = Buffer.from(payload)
      changed.writeUInt8(changed.readUInt8(index) ^ 0x08, index)
      expectHarmless(await outcome(changed), `${index}`)
    }
  })

  it('costs little, whatever it holds [gate 9]', async () => {
    const deep = Buffer.alloc(40_000, '30800480', 'hex').toString('base64')
    const wide = Buffer.concat([
      Buffer.from('3082ea60', 'hex'),
      Buffer.alloc(24_000, '0500', 'hex'),
    ])
    const hostile = [deep, wide.toString('base64'), 'A'.repeat(60_000), 'A\n'.repeat(15_000)]
    await outcome(payloadOf(evidence))
    for (const rsa2048 of hostile) {
      const payload = payloadOf({ ...evidence, rsa2048 })
      const cpuMs = await cpuMsOf(async () => expect(await outcome(payload)).toBeInstanceOf(Error))
      expect(cpuMs).toBeLessThan(500)
    }
  })
})
