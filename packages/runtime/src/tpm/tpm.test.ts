import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { tpmAlgorithm, tpmHash } from './algorithms.ts'
import { type Certification, certifiedName } from './certified-object.ts'
import { makeCredential } from './make-credential.ts'
import { TpmPublicArea } from './public-area.ts'
import {
  makeSoftKey,
  type SoftKey,
  type SoftKeyOptions,
  softActivate,
  softCertify,
  softName,
  softRoles,
} from './soft-tpm.test-kit.ts'
import { TpmError, type TpmErrorCode } from './tpm-error.ts'
import { sized, uint16, uint32 } from './tpm-writer.ts'

/** A DevID key as a TPM emulator (libtpms) made it, and what `tpm2_load` named it. */
const realArea = Buffer.from(
  '0001000b00040072000000100014000b0800000000000100ea8699c55b377976cae920ed080a47cf2933d12f85f09ded512d08f46b5958814f7172657c648e9e5ad93bc92e38f095ba0c824162e3ada0b960a362aecfbaf369ecea89aaabbd7a6e7d68bd5cd91a72efbf8dc7d324d710ea14f79e5c76b2a44001f0344244a5192a69e889f8912d18b8cbc65d5003448993e3256341986917805b97174088429a0e250318c8ef4d366c377e8250fb4dc61d989b17a20dc8cd9d6e035fe7d1a822e00adcefe817b0c30f9b94598e3fadf6fd22c0a35f83c5a030ba1e250298864ab44e997a8619b88f37e3a59d908b04d903d44d2fc2a47005a4b43148115a5b45a4e085c98095230f7dd5cc2b7b31a9f95b6a51682eb5154f',
  'hex',
)
const realName = '000bc2c604695826dc31bcb813ec2230158ac6f1b27eff64a0fca49ac2d5f11c5620'

const { attestation, devId, endorsement } = softRoles
const attestationKey = makeSoftKey(attestation)
const devIdKey = makeSoftKey({
  ...devId,
  kind: 'ecc',
  scheme: [tpmAlgorithm.ecdsa, tpmAlgorithm.sha256],
})
const endorsementKey = makeSoftKey(endorsement)

function refusal(body: () => unknown): readonly [TpmErrorCode, string] {
  try {
    body()
  } catch (error) {
    if (error instanceof TpmError) return [error.code, error.message]
    throw error
  }
  throw new Error('nothing was refused')
}

describe('a public area', () => {
  it('has the name that a TPM gives it', () => {
    const area = TpmPublicArea.parse(realArea)
    expect(area.name.toString('hex')).toBe(realName)
    expect(area.scheme).toEqual({ algorithm: tpmAlgorithm.rsaSsa, hash: tpmAlgorithm.sha256 })
    expect(area.has('fixedTpm', 'fixedParent', 'sensitiveDataOrigin', 'sign')).toBe(true)
    expect(area.has('restricted')).toBe(false)
    expect(area.toKeyObject().asymmetricKeyDetails?.modulusLength).toBe(2048)
  })

  it('of an elliptic curve is the same key', () => {
    const area = TpmPublicArea.parse(devIdKey.area)
    expect(area.toKeyObject().equals(devIdKey.publicKey)).toBe(true)
    expect(area.symmetricKeyBits).toBe(0)
  })

  it('is refused when it is cut anywhere', () => {
    for (const whole of [realArea, devIdKey.area]) {
      for (let length = 0; length < whole.length; length++) {
        const cut = whole.subarray(0, length)
        expect(refusal(() => TpmPublicArea.parse(cut))[0]).toBe('ERR_TPM_MALFORMED')
      }
    }
  })

  const header = (type: number): Buffer =>
    Buffer.concat([uint16(type), uint16(tpmAlgorithm.sha256), uint32(0), sized(Buffer.alloc(0))])
  const rsaWith = (modulus: Buffer): Buffer =>
    Buffer.concat([
      header(tpmAlgorithm.rsa),
      uint16(tpmAlgorithm.null),
      uint16(tpmAlgorithm.null),
      uint16(2048),
      uint32(0),
      sized(modulus),
    ])
  const eccWith = (curve: number, x: Buffer, y: Buffer): Buffer =>
    Buffer.concat([
      header(tpmAlgorithm.ecc),
      uint16(tpmAlgorithm.null),
      uint16(tpmAlgorithm.null),
      uint16(curve),
      uint16(tpmAlgorithm.null),
      sized(x),
      sized(y),
    ])

  it.each([
    [
      'bytes after it',
      Buffer.concat([realArea, Buffer.of(0)]),
      'ERR_TPM_MALFORMED',
      '1 bytes after',
    ],
    ['a megabyte', Buffer.alloc(1_000_000), 'ERR_TPM_MALFORMED', 'too long'],
    ['a keyed hash', header(0x0008), 'ERR_TPM_UNSUPPORTED', 'unsupported key type 0x0008'],
    [
      'another cipher',
      Buffer.concat([header(1), uint16(0x0026)]),
      'ERR_TPM_UNSUPPORTED',
      'unsupported cipher 0x0026',
    ],
    [
      'AES of another size',
      Buffer.concat([header(1), uint16(tpmAlgorithm.aes), uint16(64), uint16(tpmAlgorithm.cfb)]),
      'ERR_TPM_UNSUPPORTED',
      'unsupported cipher mode or size',
    ],
  ] as const)('is refused with %s', (_, bytes, code, message) => {
    expect(refusal(() => TpmPublicArea.parse(bytes))).toEqual([
      code,
      expect.stringContaining(message),
    ])
  })

  it.each([
    ['an RSA key that is too short', rsaWith(randomBytes(128)), 'ERR_TPM_UNSUPPORTED'],
    ['an RSA key that is too long', rsaWith(Buffer.alloc(1025, 0xff)), 'ERR_TPM_UNSUPPORTED'],
    ['no RSA key', rsaWith(Buffer.alloc(0)), 'ERR_TPM_UNSUPPORTED'],
    ['a curve that nobody has', eccWith(0x10, Buffer.of(1), Buffer.of(1)), 'ERR_TPM_UNSUPPORTED'],
    [
      'a point that is not on the curve',
      eccWith(3, Buffer.of(1), Buffer.of(1)),
      'ERR_TPM_MALFORMED',
    ],
    [
      'a coordinate that is too long',
      eccWith(3, Buffer.alloc(33, 1), Buffer.of(1)),
      'ERR_TPM_MALFORMED',
    ],
  ] as const)('gives no key for %s', (_, bytes, code) => {
    expect(refusal(() => TpmPublicArea.parse(bytes).toKeyObject())[0]).toBe(code)
  })

  it('has no name by SHA-1', () => {
    const area = makeSoftKey({
      ...devId,
      nameAlgorithm: tpmAlgorithm.sha1,
      keys: attestationKey,
    }).area
    expect(refusal(() => TpmPublicArea.parse(area).name)).toEqual([
      'ERR_TPM_UNSUPPORTED',
      'hash algorithm 0x0004 is not supported',
    ])
    expect(tpmHash(tpmAlgorithm.sha384)).toEqual({ name: 'sha384', bytes: 48 })
  })
})

describe('a certification', () => {
  const area = TpmPublicArea.parse(attestationKey.area)
  const certification = softCertify(attestationKey.privateKey, devIdKey.area)

  it('names the object that the TPM holds', () => {
    const name = certifiedName(area, certification)
    expect(Buffer.from(name)).toEqual(softName(devIdKey.area))
    expect(Buffer.from(name)).toEqual(TpmPublicArea.parse(devIdKey.area).name)
  })

  it('is refused when any byte of it is another, or missing', () => {
    for (const part of ['attested', 'signature'] as const) {
      const whole = Buffer.from(certification[part])
      for (let at = 0; at < whole.length; at++) {
        const changed = Buffer.from(whole)
        changed[at] = (changed[at] ?? 0) ^ 0x40
        for (const bytes of [changed, whole.subarray(0, at)]) {
          const attempt = (): unknown => certifiedName(area, { ...certification, [part]: bytes })
          expect(refusal(attempt)[0]).toMatch(/^ERR_TPM_(REFUSED|MALFORMED|UNSUPPORTED)$/)
        }
      }
    }
  })

  const signed = (change: (attested: Buffer) => Buffer): Certification =>
    softCertify(attestationKey.privateKey, devIdKey.area, change)
  const patched = (at: number, bytes: Buffer): Certification =>
    signed((attested) => {
      const changed = Buffer.from(attested)
      changed.set(bytes, at)
      return changed
    })
  it.each([
    [
      'what the TPM did not make',
      patched(0, uint32(0x01020304)),
      'ERR_TPM_REFUSED',
      'incorrect magic value: 1020304',
    ],
    ['a quote', patched(4, uint16(0x8018)), 'ERR_TPM_REFUSED', 'missing certify info'],
    [
      'a cut one that is signed',
      signed((all) => all.subarray(0, 60)),
      'ERR_TPM_MALFORMED',
      'unexpected EOF',
    ],
    [
      'a longer one that is signed',
      signed((all) => Buffer.concat([all, all])),
      'ERR_TPM_MALFORMED',
      'bytes after',
    ],
    ['a huge one', signed(() => Buffer.alloc(1_000_000)), 'ERR_TPM_MALFORMED', 'too long'],
    [
      'bytes after the signature',
      { ...certification, signature: Buffer.concat([certification.signature, Buffer.of(0)]) },
      'ERR_TPM_MALFORMED',
      '1 bytes after the signature',
    ],
  ] as const)('is refused: %s', (_, one, code, message) => {
    expect(refusal(() => certifiedName(area, one))).toEqual([
      code,
      expect.stringContaining(message),
    ])
  })

  const other = (options: Partial<SoftKeyOptions>): SoftKey =>
    makeSoftKey({ ...attestation, keys: attestationKey, ...options })
  it.each([
    ['does not sign', other({ attributes: ['fixedTpm'] }), 'not a signing key'],
    ['has no scheme', makeSoftKey({ attributes: ['sign'], keys: attestationKey }), 'scheme 0x0010'],
    [
      'signs with SHA-1',
      other({ scheme: [tpmAlgorithm.rsaSsa, tpmAlgorithm.sha1] }),
      'hash algorithm 0x0004 is not supported',
    ],
    ['signs otherwise', other({ scheme: [tpmAlgorithm.rsaPss, tpmAlgorithm.sha256] }), '0x0016'],
    ['is of a curve', devIdKey, 'only RSA keys are supported'],
    [
      'is another',
      makeSoftKey({ ...attestation, keys: endorsementKey }),
      'crypto/rsa: verification error',
    ],
  ] as const)('is refused by a key that %s', (_, key, message) => {
    const found = refusal(() => certifiedName(TpmPublicArea.parse(key.area), certification))
    expect(found[1]).toContain(message)
  })
})

describe('a credential', () => {
  const name = softName(attestationKey.area)
  const value = randomBytes(32)
  const made = makeCredential({
    endorsementKey: TpmPublicArea.parse(endorsementKey.area),
    objectName: name,
    value,
    random: randomBytes,
  })

  it('is given out by the TPM that it was made for, and only for the object', () => {
    expect(softActivate(endorsementKey.privateKey, name, made)).toEqual(value)
    const another = softName(devIdKey.area)
    expect(() => softActivate(endorsementKey.privateKey, another, made)).toThrow('integrity')
    const elsewhere = attestationKey.privateKey
    expect(() => softActivate(elsewhere, name, made)).toThrow()
  })

  it.each([
    ['signs', attestationKey],
    ['is of a curve', makeSoftKey({ ...endorsement, kind: 'ecc' })],
  ])('is not made for a key that %s', (_, key) => {
    const attempt = (): unknown =>
      makeCredential({
        endorsementKey: TpmPublicArea.parse(key.area),
        objectName: name,
        value,
        random: randomBytes,
      })
    expect(refusal(attempt)).toEqual(['ERR_TPM_UNSUPPORTED', 'unsupported algorithm'])
  })
})
