import {
  constants,
  createDecipheriv,
  createHash,
  createHmac,
  generateKeyPairSync,
  type KeyObject,
  privateDecrypt,
  sign,
} from 'node:crypto'
import { tpmAlgorithm } from './algorithms.ts'
import type { Certification } from './certified-object.ts'
import type { TpmCredential } from './make-credential.ts'
import { objectAttribute } from './public-area.ts'
import { TpmReader } from './tpm-reader.ts'
import { sized, uint16, uint32 } from './tpm-writer.ts'

type Attribute = keyof typeof objectAttribute

/** A key that a TPM could have made, with everything about it that a test may want to be wrong. */
export interface SoftKey {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
  /** TPMT_PUBLIC. */
  readonly area: Buffer
}

/** How a {@link SoftKey} is described. */
export interface SoftKeyOptions {
  readonly kind?: 'rsa' | 'ecc'
  readonly modulusLength?: number
  readonly attributes: readonly Attribute[]
  readonly nameAlgorithm?: number
  /** Signature scheme and hash; none for a storage key. */
  readonly scheme?: readonly [number, number]
  /** Of a storage key. */
  readonly symmetricKeyBits?: number
  /** @default a new key */
  readonly keys?: { readonly publicKey: KeyObject; readonly privateKey: KeyObject }
}

const fixed: readonly Attribute[] = ['fixedTpm', 'fixedParent', 'sensitiveDataOrigin']
const rsaSha256: readonly [number, number] = [tpmAlgorithm.rsaSsa, tpmAlgorithm.sha256]

/** What real keys of each role look like. */
export const softRoles: {
  readonly endorsement: SoftKeyOptions
  readonly attestation: SoftKeyOptions
  readonly devId: SoftKeyOptions
} = {
  endorsement: {
    attributes: [...fixed, 'adminWithPolicy', 'restricted', 'decrypt'],
    symmetricKeyBits: 128,
  },
  attestation: { attributes: [...fixed, 'userWithAuth', 'restricted', 'sign'], scheme: rsaSha256 },
  devId: { attributes: [...fixed, 'userWithAuth', 'sign'], scheme: rsaSha256 },
}

/** Makes a key and its public area. */
export function makeSoftKey(options: SoftKeyOptions): SoftKey {
  const { kind = 'rsa', modulusLength = 2048 } = options
  const { publicKey, privateKey } =
    options.keys ??
    (kind === 'rsa'
      ? generateKeyPairSync('rsa', { modulusLength })
      : generateKeyPairSync('ec', { namedCurve: 'P-256' }))
  const jwk = publicKey.export({ format: 'jwk' })
  const number = (text = ''): Buffer => sized(Buffer.from(text, 'base64url'))
  const unique =
    kind === 'rsa'
      ? [uint16(modulusLength), uint32(0), number(jwk.n)]
      : [uint16(0x0003), uint16(tpmAlgorithm.null), number(jwk.x), number(jwk.y)]
  const attributes = options.attributes.reduce((sum, one) => sum | objectAttribute[one], 0)
  const { symmetricKeyBits: bits, scheme } = options
  const none = uint16(tpmAlgorithm.null)
  const area = Buffer.concat([
    uint16(kind === 'rsa' ? tpmAlgorithm.rsa : tpmAlgorithm.ecc),
    uint16(options.nameAlgorithm ?? tpmAlgorithm.sha256),
    uint32(attributes),
    sized(Buffer.alloc(0)),
    ...(bits ? [uint16(tpmAlgorithm.aes), uint16(bits), uint16(tpmAlgorithm.cfb)] : [none]),
    ...(scheme ? scheme.map(uint16) : [none]),
    ...unique,
  ])
  return { publicKey, privateKey, area }
}

/** The name of a public area, by SHA-256. */
export function softName(area: Uint8Array): Buffer {
  const digest = createHash('sha256').update(area).digest()
  return Buffer.concat([uint16(tpmAlgorithm.sha256), digest])
}

/** What TPM2_Certify says of an object, or anything else that a key is made to sign. */
export function softCertify(
  signer: KeyObject,
  area: Uint8Array,
  change: (attested: Buffer) => Buffer = (same) => same,
): Certification {
  const empty = sized(Buffer.alloc(0))
  const attested = change(
    Buffer.concat([
      uint32(0xff544347),
      uint16(0x8017),
      sized(softName(Buffer.of(1))),
      empty,
      Buffer.alloc(8 + 4 + 4 + 1 + 8),
      sized(softName(area)),
      sized(softName(Buffer.of(2))),
    ]),
  )
  const key = { key: signer, padding: constants.RSA_PKCS1_PADDING }
  const bytes = sign('sha256', attested, key)
  const signature = Buffer.concat([...rsaSha256.map(uint16), sized(bytes)])
  return { attested, signature }
}

/** What TPM2_ActivateCredential does with an endorsement key of SHA-256 and AES-128. */
export function softActivate(
  endorsementKey: KeyObject,
  objectName: Uint8Array,
  { credential, secret }: TpmCredential,
): Buffer {
  const seed = privateDecrypt(
    {
      key: endorsementKey,
      padding: constants.RSA_PKCS1_OAEP_PADDING,
      oaepHash: 'sha256',
      oaepLabel: Buffer.from('IDENTITY\0'),
    },
    secret,
  )
  const derive = (label: string, context: Uint8Array, bits: number): Buffer =>
    createHmac('sha256', seed)
      .update(Buffer.concat([uint32(1), Buffer.from(`${label}\0`), context, uint32(bits)]))
      .digest()
      .subarray(0, bits / 8)
  const reader = new TpmReader(credential)
  const integrity = reader.sized()
  const identity = reader.raw(reader.remaining)
  const integrityKey = derive('INTEGRITY', Buffer.alloc(0), 256)
  const expected = createHmac('sha256', integrityKey).update(identity).update(objectName).digest()
  if (!expected.equals(integrity)) throw new Error('integrity check failed')
  const storageKey = derive('STORAGE', objectName, 128)
  const decipher = createDecipheriv('aes-128-cfb', storageKey, Buffer.alloc(16))
  return new TpmReader(Buffer.concat([decipher.update(identity), decipher.final()])).sized()
}
