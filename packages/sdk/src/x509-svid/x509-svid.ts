import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { messageOf } from '../errors.ts'
import type { SpiffeId } from '../spiffe-id/index.ts'
import {
  type Certificate,
  parseCertificate,
  parseCertificates,
  parsePem,
  pemEncode,
  X509Error,
} from '../x509/index.ts'
import { checkOwnChain, spiffeIdOfLeaf } from './leaf-rules.ts'
import { X509SvidError } from './x509-svid-error.ts'

/** What an {@link X509Svid} is made of. */
export interface X509SvidParts {
  /** Leaf first, then intermediates; never the root. */
  readonly chain: readonly Certificate[]
  readonly privateKey: KeyObject
  /** What the operator says this identity is for. */
  readonly hint?: string | undefined
}

/** An X509-SVID of our own: chain and private key that belong together. A value: it never changes, a renewed one is another. */
export class X509Svid {
  readonly spiffeId: SpiffeId
  /** Leaf first, then intermediates; never the root. */
  readonly chain: readonly [Certificate, ...Certificate[]]
  readonly privateKey: KeyObject
  /** What the operator says this identity is for; empty when nothing. */
  readonly hint: string

  /**
   * @throws {X509SvidError} `ERR_X509_SVID_MALFORMED` for a chain that breaks a rule [X509-SVID 4], `ERR_X509_SVID_KEY` when
   *   the key is not the leaf's
   */
  constructor(parts: X509SvidParts) {
    const [leaf, ...intermediates] = parts.chain
    if (!leaf) throw new X509SvidError('ERR_X509_SVID_MALFORMED', 'no certificates found')
    this.spiffeId = spiffeIdOfLeaf(leaf)
    checkOwnChain(parts.chain)
    checkKey(leaf, parts.privateKey)
    this.chain = [leaf, ...intermediates]
    this.privateKey = parts.privateKey
    this.hint = parts.hint ?? ''
  }

  /**
   * Reads the Workload API's form: certificates one after the other, and an unencrypted PKCS #8 key, all DER.
   *
   * @throws {X509SvidError} as the constructor, also for bytes that are no certificate or key
   */
  static parseDer(chain: Uint8Array, privateKey: Uint8Array, hint = ''): X509Svid {
    const key = Buffer.from(privateKey)
    return new X509Svid({
      chain: reading(() => parseCertificates(chain)),
      privateKey: readingKey(() => createPrivateKey({ key, format: 'der', type: 'pkcs8' })),
      hint,
    })
  }

  /**
   * Reads PEM texts: CERTIFICATE blocks, leaf first, and one private key. Both may be the same text.
   *
   * @throws {X509SvidError} as the constructor, also for texts that hold no certificate or key
   */
  static parsePem(chain: string, privateKey: string): X509Svid {
    const certificates = reading(() => parsePem(chain)).filter((one) => one.label === 'CERTIFICATE')
    const [key] = reading(() => parsePem(privateKey)).filter((one) =>
      one.label.endsWith('PRIVATE KEY'),
    )
    if (!key) throw new X509SvidError('ERR_X509_SVID_KEY', 'no private key found')
    return new X509Svid({
      chain: reading(() => certificates.map(({ der }) => parseCertificate(der))),
      privateKey: readingKey(() => createPrivateKey(pemEncode(key.label, key.der))),
    })
  }

  get expiresAt(): Date {
    return this.chain[0].notAfter
  }

  /** The chain as PEM, leaf first. */
  marshalChainPem(): string {
    return this.chain.map((one) => pemEncode('CERTIFICATE', one.raw)).join('')
  }

  /** The key as PEM, PKCS #8. */
  marshalKeyPem(): string {
    return this.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  }

  /** Everything but the key, so that printing an SVID never prints it. */
  toJSON(): { readonly spiffeId: string; readonly hint: string; readonly expiresAt: string } {
    const { spiffeId, hint, expiresAt } = this
    return { spiffeId: spiffeId.toString(), hint, expiresAt: expiresAt.toISOString() }
  }
}

function checkKey(leaf: Certificate, privateKey: KeyObject): void {
  const isPair = readingKey(() => {
    const mine = Buffer.from(publicBytesOf(privateKey))
    return mine.equals(leaf.publicKey.export({ type: 'spki', format: 'der' }))
  })
  if (!isPair)
    throw new X509SvidError('ERR_X509_SVID_KEY', 'certificate does not match the private key')
}

function publicBytesOf(privateKey: KeyObject): Uint8Array {
  return createPublicKey(privateKey).export({ type: 'spki', format: 'der' })
}

function reading<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof X509Error)) throw error
    const message = `certificate cannot be parsed: ${messageOf(error)}`
    throw new X509SvidError('ERR_X509_SVID_MALFORMED', message, { cause: error })
  }
}

/** OpenSSL's texts never hold key material; ours says less all the same. */
function readingKey<T>(read: () => T): T {
  try {
    return read()
  } catch {
    throw new X509SvidError('ERR_X509_SVID_KEY', 'cannot parse the private key')
  }
}
