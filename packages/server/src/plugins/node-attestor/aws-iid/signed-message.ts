import { webcrypto } from 'node:crypto'
import { fromBER } from 'asn1js'
import { Certificate, ContentInfo, CryptoEngine, SignedData, SignedDataVerifyError } from 'pkijs'

const limits = { maxDepth: 20, maxNodes: 300, maxContentLength: 64 * 1024 }
const idData = '1.2.840.113549.1.7.1'
const idSignedData = '1.2.840.113549.1.7.2'
/** SHA-256, SHA-384, SHA-512. */
const digests: readonly string[] = ['1', '2', '3'].map((last) => `2.16.840.1.101.3.4.2.${last}`)

/**
 * A CMS (PKCS #7) message of one signer, read and not yet verified: it gives its content to nobody before that.
 *
 * Certificates that the message brings along are not looked at. What a verifier would have to guess is refused: several
 * signers, a signature that is not over signed attributes, content of another type than data, a weak digest.
 */
export class SignedMessage {
  readonly #message: SignedData

  private constructor(message: SignedData) {
    this.#message = message
  }

  /** @throws {Error} for what is not such a message */
  static parse(ber: Uint8Array): SignedMessage {
    const { offset, result } = fromBER(new Uint8Array(ber), limits)
    if (offset === -1) throw new Error('asn1: structure error')
    if (offset !== ber.length) throw new Error('asn1: trailing data')
    const { contentType, content } = structured(() => new ContentInfo({ schema: result }))
    if (contentType !== idSignedData) throw new Error('pkcs7: unsupported content type')
    const message = structured(() => new SignedData({ schema: content }))
    checkShape(message)
    return new SignedMessage(message)
  }

  /**
   * Verifies the signature by the key of this certificate (DER), which the signer must name by issuer and serial number,
   * and returns the content that it covers. Neither chain nor expiry is looked at: the certificate is pinned.
   *
   * @throws {Error} when it does not verify
   */
  async verify(certificate: Uint8Array): Promise<Uint8Array> {
    const message = this.#message
    message.certificates = [Certificate.fromBER(new Uint8Array(certificate))]
    const engine = new CryptoEngine({ name: 'node', crypto: webcrypto })
    let verified: boolean
    try {
      verified = await message.verify({ signer: 0, checkChain: false }, engine)
    } catch (cause) {
      throw new Error(`pkcs7: ${whyUnverified(cause)}`, { cause })
    }
    if (!verified) throw new Error('crypto/rsa: verification error')
    return contentOf(message)
  }
}

/** The library's own text may repeat what it read. */
function whyUnverified(cause: unknown): string {
  const isSignerUnknown = cause instanceof SignedDataVerifyError && cause.code === 3
  return isSignerUnknown ? 'No certificate for signer' : 'signed attributes do not match'
}

function checkShape(message: SignedData): void {
  const { encapContentInfo, signerInfos } = message
  if (encapContentInfo.eContentType !== idData || !encapContentInfo.eContent) {
    throw new Error('pkcs7: unsupported content')
  }
  const [signer, ...others] = signerInfos
  if (!signer) throw new Error('pkcs7: Message has no signers')
  if (others.length > 0) throw new Error('pkcs7: more than one signer')
  if (!digests.includes(signer.digestAlgorithm.algorithmId)) {
    throw new Error('pkcs7: unsupported digest algorithm')
  }
  if (!signer.signedAttrs) throw new Error('pkcs7: no signed attributes')
}

function contentOf({ encapContentInfo }: SignedData): Uint8Array {
  const content = encapContentInfo.eContent
  if (!content) throw new Error('pkcs7: no content')
  return new Uint8Array(content.getValue())
}

function structured<T>(read: () => T): T {
  try {
    return read()
  } catch (cause) {
    throw new Error('asn1: structure error', { cause })
  }
}
