import { createHash, createPublicKey, type KeyObject } from 'node:crypto'
import { rsaModulusBits } from '@mini-spire/sdk/x509'
import { hex16, tpmAlgorithm, tpmHash } from './algorithms.ts'
import { TpmError } from './tpm-error.ts'
import { TpmReader } from './tpm-reader.ts'
import { uint16 } from './tpm-writer.ts'

/** What an object may do and where it came from (TPMA_OBJECT). */
export const objectAttribute = {
  fixedTpm: 0x2,
  fixedParent: 0x10,
  sensitiveDataOrigin: 0x20,
  userWithAuth: 0x40,
  adminWithPolicy: 0x80,
  noDictionaryAttack: 0x400,
  restricted: 0x1_0000,
  decrypt: 0x2_0000,
  sign: 0x4_0000,
} as const

/** Longest public area that is read: one with an RSA key of 16,384 bits has 2,100 bytes. */
const maxPublicAreaBytes = 4096

interface Curve {
  readonly crv: string
  readonly bytes: number
}

const curves: ReadonlyMap<number, Curve> = new Map([
  [0x0003, { crv: 'P-256', bytes: 32 }],
  [0x0004, { crv: 'P-384', bytes: 48 }],
  [0x0005, { crv: 'P-521', bytes: 66 }],
])

/** A scheme with its hash, where it has one; algorithm `null`: none is fixed. */
export interface TpmScheme {
  readonly algorithm: number
  readonly hash: number
}

interface Parameters {
  readonly symmetricKeyBits: number
  readonly scheme: TpmScheme
  readonly key: () => KeyObject
}

/**
 * The public area of an object in a TPM (TPMT_PUBLIC), of an RSA or ECC key. What it says is only true when the TPM vouches
 * for its {@link TpmPublicArea.name}.
 */
export class TpmPublicArea {
  /** TPMT_PUBLIC as it was read. */
  readonly raw: Uint8Array
  readonly type: number
  readonly nameAlgorithm: number
  readonly attributes: number
  readonly #parameters: Parameters

  private constructor(raw: Uint8Array, reader: TpmReader) {
    this.raw = raw
    this.type = reader.uint16()
    this.nameAlgorithm = reader.uint16()
    this.attributes = reader.uint32()
    reader.sized()
    this.#parameters = readParameters(this.type, reader)
  }

  /**
   * Reads TPMT_PUBLIC, whole and with nothing after it: the name is a hash of exactly these bytes.
   *
   * @throws {TpmError} `ERR_TPM_MALFORMED`, `ERR_TPM_UNSUPPORTED`
   */
  static parse(raw: Uint8Array): TpmPublicArea {
    if (raw.length > maxPublicAreaBytes) {
      throw new TpmError('ERR_TPM_MALFORMED', 'public area is too long')
    }
    const reader = new TpmReader(raw)
    const area = new TpmPublicArea(raw, reader)
    reader.end('the public area')
    return area
  }

  /** What a TPM calls the object: its name algorithm, and the digest of the public area by it. */
  get name(): Buffer {
    const { name } = tpmHash(this.nameAlgorithm)
    return Buffer.concat([uint16(this.nameAlgorithm), createHash(name).update(this.raw).digest()])
  }

  /** How the key signs; algorithm `null` when each use decides. */
  get scheme(): TpmScheme {
    return this.#parameters.scheme
  }

  /** Bits of the key by which a storage key protects what is below it; 0: it is none. */
  get symmetricKeyBits(): number {
    return this.#parameters.symmetricKeyBits
  }

  /** @throws {TpmError} `ERR_TPM_MALFORMED` for numbers that are no key */
  toKeyObject(): KeyObject {
    return this.#parameters.key()
  }

  /** Whether all of these attributes are set. */
  has(...attributes: readonly (keyof typeof objectAttribute)[]): boolean {
    return attributes.every((one) => (this.attributes & objectAttribute[one]) !== 0)
  }
}

function readParameters(type: number, reader: TpmReader): Parameters {
  switch (type) {
    case tpmAlgorithm.rsa:
      return readRsa(reader)
    case tpmAlgorithm.ecc:
      return readEcc(reader)
    default:
      throw new TpmError('ERR_TPM_UNSUPPORTED', `unsupported key type ${hex16(type)}`)
  }
}

function readRsa(reader: TpmReader): Parameters {
  const symmetricKeyBits = readSymmetric(reader)
  const scheme = readScheme(reader)
  reader.uint16()
  const exponent = reader.uint32() || 65_537
  const modulus = significant(reader.sized())
  const key = (): KeyObject => {
    const { min, max } = rsaModulusBits
    if (modulus.length * 8 < min || modulus.length * 8 > max) {
      const size = `RSA key of ${modulus.length * 8} bits, ${min} to ${max} are allowed`
      throw new TpmError('ERR_TPM_UNSUPPORTED', size)
    }
    const e = Buffer.from(exponent.toString(16).padStart(8, '0'), 'hex').toString('base64url')
    return importJwk({ kty: 'RSA', n: modulus.toString('base64url'), e })
  }
  return { symmetricKeyBits, scheme, key }
}

function readEcc(reader: TpmReader): Parameters {
  const symmetricKeyBits = readSymmetric(reader)
  const scheme = readScheme(reader)
  const curveId = reader.uint16()
  readScheme(reader)
  const [x, y] = [reader.sized(), reader.sized()]
  const key = (): KeyObject => {
    const curve = curves.get(curveId)
    if (!curve) throw new TpmError('ERR_TPM_UNSUPPORTED', `unsupported curve ${hex16(curveId)}`)
    return importJwk({
      kty: 'EC',
      crv: curve.crv,
      x: coordinate(x, curve.bytes),
      y: coordinate(y, curve.bytes),
    })
  }
  return { symmetricKeyBits, scheme, key }
}

/** TPMT_SYM_DEF_OBJECT. */
function readSymmetric(reader: TpmReader): number {
  const algorithm = reader.uint16()
  if (algorithm === tpmAlgorithm.null) return 0
  if (algorithm !== tpmAlgorithm.aes) {
    throw new TpmError('ERR_TPM_UNSUPPORTED', `unsupported cipher ${hex16(algorithm)}`)
  }
  const bits = reader.uint16()
  const mode = reader.uint16()
  if (mode !== tpmAlgorithm.cfb || (bits !== 128 && bits !== 192 && bits !== 256)) {
    throw new TpmError('ERR_TPM_UNSUPPORTED', 'unsupported cipher mode or size')
  }
  return bits
}

/** TPMT_RSA_SCHEME, TPMT_ECC_SCHEME and TPMT_KDF_SCHEME are alike. */
function readScheme(reader: TpmReader): TpmScheme {
  const algorithm = reader.uint16()
  if (algorithm === tpmAlgorithm.null || algorithm === tpmAlgorithm.rsaEs) {
    return { algorithm, hash: tpmAlgorithm.null }
  }
  const hash = reader.uint16()
  if (algorithm === tpmAlgorithm.ecdaa) reader.uint16()
  return { algorithm, hash }
}

function coordinate(value: Buffer, bytes: number): string {
  const number = significant(value)
  if (number.length > bytes) {
    throw new TpmError('ERR_TPM_MALFORMED', 'coordinate is larger than its curve')
  }
  const padded = Buffer.alloc(bytes)
  padded.set(number, bytes - number.length)
  return padded.toString('base64url')
}

function significant(number: Buffer): Buffer {
  const first = number.findIndex((byte) => byte !== 0)
  return first < 0 ? Buffer.alloc(0) : number.subarray(first)
}

function importJwk(key: Readonly<Record<string, string>>): KeyObject {
  try {
    return createPublicKey({ key, format: 'jwk' })
  } catch (cause) {
    throw new TpmError('ERR_TPM_MALFORMED', 'the numbers of the public area are no key', { cause })
  }
}
