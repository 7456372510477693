import { createPrivateKey, type JsonWebKey, type KeyObject, sign } from 'node:crypto'
import { messageOf } from '@mini-spire/sdk/errors'
import { SshError } from './ssh-error.ts'
import { curveOf, type SshSignature } from './ssh-public-key.ts'
import { SshReader } from './ssh-reader.ts'
import { sshUnsigned } from './ssh-writer.ts'

const openSshBlock =
  /-----BEGIN OPENSSH PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END OPENSSH PRIVATE KEY-----/
const magic = 'openssh-key-v1\0'

/** A private key that is not locked with a passphrase, from a file of OpenSSH's or of OpenSSL's. */
export class SshPrivateKey {
  readonly #key: KeyObject

  private constructor(key: KeyObject) {
    this.#key = key
  }

  /** @throws {SshError} `ERR_SSH_MALFORMED`, `ERR_SSH_UNSUPPORTED` */
  static parse(text: string): SshPrivateKey {
    const block = openSshBlock.exec(text)?.[1]
    try {
      const key = block
        ? createPrivateKey({ key: readOpenSsh(Buffer.from(block, 'base64')), format: 'jwk' })
        : createPrivateKey(text)
      return new SshPrivateKey(key)
    } catch (cause) {
      if (cause instanceof SshError) throw cause
      throw new SshError('ERR_SSH_MALFORMED', `no key found: ${messageOf(cause)}`, { cause })
    }
  }

  /** Whether a public key is its other half. */
  belongsTo(publicKey: KeyObject): boolean {
    return exportPublic(this.#key) === exportPublic(publicKey)
  }

  /** Signs with what SSH's clients expect of the key: SHA-512 for RSA, the curve's own hash, or Ed25519. */
  sign(data: Uint8Array): SshSignature {
    switch (this.#key.asymmetricKeyType) {
      case 'rsa':
        return { format: 'rsa-sha2-512', blob: sign('sha512', data, this.#key) }
      case 'ed25519':
        return { format: 'ssh-ed25519', blob: sign(null, data, this.#key) }
      case 'ec': {
        const name = nameOfCurve(this.#key)
        const { hash, bytes } = curveOf(name)
        const pair = sign(hash, data, { key: this.#key, dsaEncoding: 'ieee-p1363' })
        const [r, s] = [pair.subarray(0, bytes), pair.subarray(bytes)]
        const blob = Buffer.concat([sshUnsigned(r), sshUnsigned(s)])
        return { format: `ecdsa-sha2-${name}`, blob }
      }
      default:
        throw new SshError('ERR_SSH_UNSUPPORTED', 'unsupported key type')
    }
  }
}

function nameOfCurve(key: KeyObject): string {
  const names: Readonly<Record<string, string>> = {
    prime256v1: 'nistp256',
    secp384r1: 'nistp384',
    secp521r1: 'nistp521',
  }
  return names[key.asymmetricKeyDetails?.namedCurve ?? ''] ?? ''
}

function exportPublic(key: KeyObject): string {
  const { kty, crv, x, y, n, e } = key.export({ format: 'jwk' })
  return JSON.stringify(sorted({ kty, crv, x, y, n, e }))
}

function sorted(jwk: object): object {
  return Object.fromEntries(
    Object.entries(jwk)
      .filter(([, value]) => value !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  )
}

/** Reads PROTOCOL.key: the one key of a file that is not encrypted. */
function readOpenSsh(file: Buffer): JsonWebKey {
  if (file.subarray(0, magic.length).toString('latin1') !== magic) {
    throw new SshError('ERR_SSH_MALFORMED', 'invalid openssh private key format')
  }
  const reader = new SshReader(file.subarray(magic.length))
  if (reader.text() !== 'none') {
    throw new SshError('ERR_SSH_UNSUPPORTED', 'this private key is passphrase protected')
  }
  reader.bytes() // how the passphrase would be stretched
  reader.bytes() // and with what
  if (reader.uint32() !== 1)
    throw new SshError('ERR_SSH_UNSUPPORTED', 'multi-key files are not read')
  reader.bytes() // the public key
  const inner = new SshReader(reader.bytes())
  const [check, same] = [inner.uint32(), inner.uint32()]
  if (check !== same) {
    throw new SshError('ERR_SSH_MALFORMED', 'malformed OpenSSH key')
  }
  return readPrivateJwk(inner.text(), inner)
}

function readPrivateJwk(algorithm: string, reader: SshReader): JsonWebKey {
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url')
  if (algorithm === 'ssh-rsa') {
    const [n, e, d, qi, p, q] = Array.from({ length: 6 }, () => reader.unsigned())
    if (!n || !e || !d || !qi || !p || !q) throw new SshError('ERR_SSH_MALFORMED', 'short read')
    const remainder = (prime: Buffer): string => {
      const hex = (number(d) % (number(prime) - 1n)).toString(16)
      return text(Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex'))
    }
    const crt = { dp: remainder(p), dq: remainder(q), qi: text(qi) }
    return { kty: 'RSA', n: text(n), e: text(e), d: text(d), p: text(p), q: text(q), ...crt }
  }
  if (algorithm === 'ssh-ed25519') {
    const x = reader.bytes()
    return { kty: 'OKP', crv: 'Ed25519', x: text(x), d: text(reader.bytes().subarray(0, 32)) }
  }
  if (algorithm.startsWith('ecdsa-sha2-')) {
    const { crv, bytes } = curveOf(reader.text())
    const point = reader.bytes()
    const scalar = reader.unsigned()
    const d = Buffer.concat([Buffer.alloc(Math.max(0, bytes - scalar.length)), scalar])
    const [x, y] = [point.subarray(1, 1 + bytes), point.subarray(1 + bytes)]
    return { kty: 'EC', crv, x: text(x), y: text(y), d: text(d) }
  }
  throw new SshError('ERR_SSH_UNSUPPORTED', `unhandled key type ${algorithm.slice(0, 64)}`)
}

function number(bytes: Buffer): bigint {
  return BigInt(`0x${bytes.toString('hex') || '0'}`)
}
