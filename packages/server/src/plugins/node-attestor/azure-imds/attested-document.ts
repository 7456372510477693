import type { Clock } from '@mini-spire/runtime/clock'
import { messageOf } from '@mini-spire/sdk/errors'
import {
  type Certificate,
  parsePublicKey,
  verifyChain,
  verifySignature,
} from '@mini-spire/sdk/x509'
import { decodeGoBase64, GoJsonObject } from '../go-json.ts'
import { SignedData } from '../signed-data.ts'
import type { MicrosoftIssuers } from './microsoft-issuers.ts'

const serverAuth = '1.3.6.1.5.5.7.3.1'
const anyPurpose = '2.5.29.37.0'

/** Options of {@link AttestedDocuments}. */
export interface AttestedDocumentsOptions {
  readonly clock: Clock
  readonly issuers: Pick<MicrosoftIssuers, 'fetchIssuerOf'>
  readonly roots: readonly Certificate[]
  /** A signer's certificate must be for one of these names, or for one below. */
  readonly metadataDomains: readonly string[]
}

/** What Azure's metadata service says in a document. Empty where it says nothing. */
export interface AttestedContent {
  readonly subscriptionId: string
  readonly vmId: string
  readonly nonce: string
}

/**
 * Verifies attested documents of Azure's instance metadata service: one signer, whose very certificate is for a metadata
 * host and leads to one of Microsoft's roots; and only what that signer signed is read.
 *
 * The times in the document are not looked at, as in SPIRE: a nonce says that it is new. Revocation is not checked.
 */
export class AttestedDocuments {
  readonly #options: AttestedDocumentsOptions

  constructor(options: AttestedDocumentsOptions) {
    this.#options = options
  }

  /**
   * The signature is checked before anything is fetched: rubbish costs nothing but its reading.
   *
   * @param signature signed data in base64
   * @throws {Error} whose text repeats nothing of the document
   */
  async verify(signature: string): Promise<AttestedContent> {
    if (signature === '') throw new Error('missing signature in attested document')
    const bytes = await saying('failed to decode signature', () => decodeGoBase64(signature))
    const signed = await saying('failed to parse PKCS7 signature', () => SignedData.parse(bytes))
    if (signed.certificates.length === 0) {
      throw new Error('no certificates found in PKCS7 signature')
    }
    const signer = signed.onlySigner()
    if (!signer) throw new Error('expected exactly one signer certificate in PKCS7 signature')
    const content = await saying('signature verification failed', () =>
      signed.contentSignedBy(signer),
    )
    await saying('signing certificate validation failed', () => this.#checkName(signer))
    const issuer = await saying('failed to get intermediate certificate', () =>
      this.#options.issuers.fetchIssuerOf(signer),
    )
    await saying('certificate chain validation failed', () => this.#checkChain(signer, issuer))
    return await saying('failed to unmarshal attested document payload', () => readContent(content))
  }

  #checkName({ dnsNames }: Certificate): void {
    const { metadataDomains } = this.#options
    const isBelow = (name: string, domain: string): boolean =>
      name === domain || name.endsWith(`.${domain}`)
    if (dnsNames.some((name) => metadataDomains.some((domain) => isBelow(name, domain)))) return
    const allowed = metadataDomains.join(' ')
    throw new Error(
      `certificate does not have any valid domain in SAN (allowed domains=[${allowed}])`,
    )
  }

  #checkChain(signer: Certificate, issuer: Certificate): void {
    try {
      if (Buffer.compare(signer.issuerRaw, issuer.subjectRaw) !== 0) {
        throw new Error('it bears another name')
      }
      verifySignature(parsePublicKey(issuer.spki), signer.signature, () => issuer.publicKey)
    } catch (cause) {
      const what = 'signing certificate was not issued by intermediate certificate'
      throw new Error(`${what}: ${messageOf(cause)}`, { cause })
    }
    const { roots, clock } = this.#options
    try {
      const path = verifyChain({ chain: [signer, issuer], roots, now: clock.now() })
      // As Go reads it: whoever on the way says what its keys are for must say that they are for this.
      for (const { extKeyUsage } of path) {
        const isForServers = extKeyUsage.some((oid) => oid === serverAuth || oid === anyPurpose)
        if (extKeyUsage.length > 0 && !isForServers) {
          throw new Error('x509: certificate specifies an incompatible key usage')
        }
      }
    } catch (cause) {
      throw new Error(`certificate chain validation failed: ${messageOf(cause)}`, { cause })
    }
  }
}

function readContent(content: Uint8Array): AttestedContent {
  const fields = GoJsonObject.parse(content)
  return {
    subscriptionId: fields.string('subscriptionid'),
    vmId: fields.string('vmid'),
    nonce: fields.string('nonce'),
  }
}

async function saying<T>(what: string, act: () => T | Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (cause) {
    throw new Error(`${what}: ${messageOf(cause)}`, { cause })
  }
}
