import { createPublicKey, type JsonWebKey, type KeyObject, verify } from 'node:crypto'
import { SshError } from './ssh-error.ts'
import { SshReader } from './ssh-reader.ts'
import { sshUnsigned } from './ssh-writer.ts'

/** A signature as SSH writes it: the algorithm's name, and what that algorithm makes. */
export interface SshSignature {
  readonly format: string
  readonly blob: Uint8Array
}

const maxRsaBits = 8192
const curves = {
  nistp256: { crv: 'P-256', hash: 'sha256', bytes: 32 },
  nistp384: { crv: 'P-384', hash: 'sha384', bytes: 48 },
  nistp521: { crv: 'P-521', hash: 'sha512', bytes: 66 },
} as const
const rsaHashes: Readonly<Record<string, string>> = {
  'ssh-rsa': 'sha1',
  'rsa-sha2-256': 'sha256',
  'rsa-sha2-512': 'sha512',
}

/** The elliptic curves of RFC 5656. */
export type SshCurve = keyof typeof curves

/** The JWK name, hash and length of a coordinate of a curve. */
export function curveOf(name: string): (typeof curves)[SshCurve] {
  if (Object.hasOwn(curves, name)) return curves[name as SshCurve]
  throw new SshError('ERR_SSH_UNSUPPORTED', `unsupported curve ${JSON.stringify(name)}`)
}

/** A public key: RSA, ECDSA on a NIST curve, or Ed25519. */
export class SshPublicKey {
  /** Such as `ssh-ed25519`. */
  readonly algorithm: string
  readonly key: KeyObject

  private constructor(algorithm: string, key: KeyObject) {
    this.algorithm = algorithm
    this.key = key
  }

  /**
   * Reads a key in wire format, with its algorithm in front.
   *
   * @throws {SshError} `ERR_SSH_MALFORMED`, `ERR_SSH_UNSUPPORTED`
   */
  static parse(bytes: Uint8Array): SshPublicKey {
    const reader = new SshReader(bytes)
    const key = SshPublicKey.read(reader.text(), reader)
    reader.end('public key')
    return key
  }

  /** Reads the parameters of a key whose algorithm is known. */
  static read(algorithm: string, reader: SshReader): SshPublicKey {
    const jwk = readJwk(algorithm, reader)
    try {
      return new SshPublicKey(algorithm, createPublicKey({ key: jwk, format: 'jwk' }))
    } catch (cause) {
      throw new SshError('ERR_SSH_MALFORMED', 'not a key', { cause })
    }
  }

  /** Whether this key signed these bytes. Signatures of other algorithms than the key's are none. */
  verifies(data: Uint8Array, { format, blob }: SshSignature): boolean {
    switch (this.algorithm) {
      case 'ssh-rsa': {
        const hash = Object.hasOwn(rsaHashes, format) ? rsaHashes[format] : undefined
        return hash !== undefined && verify(hash, data, this.key, blob)
      }
      case 'ssh-ed25519':
        return format === this.algorithm && verify(null, data, this.key, blob)
      default: {
        if (format !== this.algorithm) return false
        const { hash, bytes } = curveOf(this.algorithm.slice('ecdsa-sha2-'.length))
        const pair = readPair(blob, bytes)
        const key = { key: this.key, dsaEncoding: 'ieee-p1363' } as const
        return pair !== undefined && verify(hash, data, key, pair)
      }
    }
  }
}

/** Reads a signature in wire format. */
export function readSignature(bytes: Uint8Array): SshSignature {
  const reader = new SshReader(bytes)
  const signature = { format: reader.text(), blob: reader.bytes() }
  reader.end('signature')
  return signature
}

function readJwk(algorithm: string, reader: SshReader): JsonWebKey {
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url')
  if (algorithm === 'ssh-rsa') {
    const [e, n] = [reader.unsigned(), reader.unsigned()]
    if (n.length * 8 > maxRsaBits) {
      throw new SshError('ERR_SSH_UNSUPPORTED', `RSA keys over ${maxRsaBits} bits are not read`)
    }
    return { kty: 'RSA', n: text(n), e: text(e) }
  }
  if (algorithm === 'ssh-ed25519') return { kty: 'OKP', crv: 'Ed25519', x: text(reader.bytes()) }
  if (algorithm.startsWith('ecdsa-sha2-')) {
    const name = reader.text()
    const { crv, bytes } = curveOf(name)
    const point = reader.bytes()
    if (algorithm !== `ecdsa-sha2-${name}` || point[0] !== 4 || point.length !== 1 + 2 * bytes) {
      throw new SshError('ERR_SSH_MALFORMED', 'not a point of the curve')
    }
    const [x, y] = [point.subarray(1, 1 + bytes), point.subarray(1 + bytes)]
    return { kty: 'EC', crv, x: text(x), y: text(y) }
  }
  throw new SshError('ERR_SSH_UNSUPPORTED', `unknown key algorithm: ${algorithm.slice(0, 64)}`)
}

/**
 * r and s of an ECDSA signature, one after the other at full length; undefined when they are none, or have zeros in front:
 * a signature has one text.
 */
function readPair(blob: Uint8Array, bytes: number): Buffer | undefined {
  try {
    const reader = new SshReader(blob)
    const [r, s] = [reader.unsigned(), reader.unsigned()]
    if (r.length > bytes || s.length > bytes) return undefined
    if (Buffer.compare(blob, Buffer.concat([sshUnsigned(r), sshUnsigned(s)])) !== 0)
      return undefined
    const pair = Buffer.alloc(2 * bytes)
    pair.set(r, bytes - r.length)
    pair.set(s, 2 * bytes - s.length)
    return pair
  } catch {
    return undefined
  }
}
