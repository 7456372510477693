import { quoteGo } from '../go-quote.ts'
import { SshError } from './ssh-error.ts'
import { readSignature, SshPublicKey, type SshSignature } from './ssh-public-key.ts'
import { SshReader } from './ssh-reader.ts'

const suffix = '-cert-v01@openssh.com'
const hostType = 2
const forever = 2n ** 64n - 1n

/** An OpenSSH certificate (PROTOCOL.certkeys). */
export class SshCertificate {
  /** As it was read, signature and all. */
  readonly raw: Buffer
  readonly publicKey: SshPublicKey
  readonly serial: bigint
  /** 1: user, 2: host. */
  readonly type: number
  readonly keyId: string
  readonly principals: readonly string[]
  /** Seconds since 1970. */
  readonly validAfter: bigint
  readonly validBefore: bigint
  readonly criticalOptions: readonly string[]
  /** The authority's key, in wire format. */
  readonly signatureKeyRaw: Buffer
  /** What its signature is over. */
  readonly signed: Buffer
  readonly signature: SshSignature

  private constructor(bytes: Uint8Array) {
    this.raw = Buffer.from(bytes)
    const reader = new SshReader(this.raw)
    const algorithm = reader.text()
    if (!algorithm.endsWith(suffix)) throw notACertificate()
    reader.bytes() // nonce
    this.publicKey = SshPublicKey.read(algorithm.slice(0, -suffix.length), reader)
    this.serial = reader.uint64()
    this.type = reader.uint32()
    this.keyId = reader.text()
    this.principals = reader.texts()
    this.validAfter = reader.uint64()
    this.validBefore = reader.uint64()
    this.criticalOptions = readOptionNames(reader.bytes())
    readOptionNames(reader.bytes())
    reader.bytes() // reserved
    this.signatureKeyRaw = reader.bytes()
    this.signed = this.raw.subarray(0, reader.offset)
    this.signature = readSignature(reader.bytes())
    reader.end('certificate')
  }

  /**
   * Reads a certificate in wire format; nothing of it is checked.
   *
   * @throws {SshError} `ERR_SSH_MALFORMED`, `ERR_SSH_UNSUPPORTED`; a plain key is `ERR_SSH_UNSUPPORTED`
   */
  static parse(bytes: Uint8Array): SshCertificate {
    return new SshCertificate(bytes)
  }

  /**
   * Checks it as the certificate of a host: signed by one of these authorities, for this name, now.
   *
   * @param isAuthority whether a key in wire format belongs to a trusted authority
   * @throws {SshError} `ERR_SSH_REFUSED`
   */
  checkHost(
    host: string,
    {
      now,
      isAuthority,
    }: { readonly now: Date; readonly isAuthority: (key: Uint8Array) => boolean },
  ): void {
    if (this.type !== hostType) {
      throw refused(`certificate presented as a host key has type ${this.type}`)
    }
    if (!isAuthority(this.signatureKeyRaw)) {
      throw refused(`no authorities for hostname: ${host}:22`)
    }
    const unknown = this.criticalOptions.find((option) => option !== 'source-address')
    if (unknown !== undefined) {
      throw refused(`unsupported critical option ${quoteGo(unknown)} in certificate`)
    }
    if (!this.principals.includes(host)) {
      throw refused(`principal ${quoteGo(host)} not in the set of valid principals`)
    }
    const nowSeconds = BigInt(Math.floor(now.getTime() / 1000))
    if (nowSeconds < this.validAfter) throw refused('cert is not yet valid')
    if (this.validBefore !== forever && nowSeconds >= this.validBefore) {
      throw refused('cert has expired')
    }
    if (!SshPublicKey.parse(this.signatureKeyRaw).verifies(this.signed, this.signature)) {
      throw refused('certificate signature does not verify')
    }
  }
}

function readOptionNames(bytes: Uint8Array): readonly string[] {
  const reader = new SshReader(bytes)
  const names: string[] = []
  while (reader.hasMore) {
    names.push(reader.text())
    reader.bytes()
  }
  return names
}

function notACertificate(): SshError {
  return new SshError('ERR_SSH_UNSUPPORTED', 'not a certificate')
}

function refused(message: string): SshError {
  return new SshError('ERR_SSH_REFUSED', message)
}
