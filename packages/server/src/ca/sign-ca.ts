import type { SigningKey } from '@mini-spire/runtime/key-manager/key-manager'
import { CertificateWriter } from '@mini-spire/runtime/x509/certificate-writer'
import { type DistinguishedName, encodeName, parseName } from '@mini-spire/runtime/x509/name'
import { type SerialNumbers, serialNumberText } from '@mini-spire/runtime/x509/serial-number'
import { messageOf } from '@mini-spire/sdk/errors'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { type PublicKey, parsePublicKey } from '@mini-spire/sdk/x509'
import type { X509CaAttributes } from '../plugins/credential-composer/credential-composer.ts'
import { CaError } from './ca-error.ts'
import { checkCaCertificate } from './check-ca-certificate.ts'
import { type CredentialComposers, extensionsOfCa } from './credential-composers.ts'
import { validityFrom } from './validity.ts'
import type { X509Ca } from './x509-ca.ts'

/** What {@link selfSignCa} is given. */
export interface SelfSignOptions {
  readonly key: SigningKey
  readonly trustDomain: TrustDomain
  /** As configured; the certificate's serial number is added as its `serialNumber` attribute. */
  readonly subject: DistinguishedName
  readonly ttlSeconds: number
  readonly nowMs: number
  readonly serialNumbers: SerialNumbers
  /** @default nobody changes what it says */
  readonly composers?: CredentialComposers | undefined
}

/**
 * Makes a root certificate, DER: `ca_subject` plus serial number, the trust domain as URI SAN, keyCertSign and cRLSign.
 *
 * @throws {CaError} `ERR_CERTIFICATE_INVALID` when what came out is not a CA certificate that can be used now
 */
export async function selfSignCa(options: SelfSignOptions): Promise<Uint8Array> {
  const { key, trustDomain, nowMs } = options
  const serialNumber = options.serialNumbers.draw()
  const says = await composedCa(options.composers, {
    ...options.subject,
    serialNumber: options.subject.serialNumber ?? serialNumberText(serialNumber),
  })
  const subject = encodeName(says.subject)
  const writer = new CertificateWriter({ name: subject, keyId: undefined, signer: key }, 'ca')
  const certificate = await writer.write({
    ...validityFrom(nowMs, options.ttlSeconds, Number.POSITIVE_INFINITY),
    serialNumber,
    subject,
    publicKey: parsePublicKey(key.publicKey),
    uri: trustDomain.idString,
    dnsNames: [],
    extraExtensions: extensionsOfCa(says),
  })
  checkCaCertificate(certificate, { trustDomain, nowMs })
  return certificate
}

/** What composers make of a CA certificate that would have this subject. */
export async function composedCa(
  composers: CredentialComposers | undefined,
  subject: DistinguishedName,
): Promise<X509CaAttributes> {
  const plain = { subject, policyIdentifiers: [], extraExtensions: [] }
  return (await composers?.x509Ca(plain)) ?? plain
}

/** What {@link signDownstreamCa} is given. */
export interface DownstreamCaOptions {
  readonly ca: X509Ca
  readonly trustDomain: TrustDomain
  readonly publicKey: PublicKey
  readonly ttlSeconds: number
  readonly nowMs: number
  readonly serialNumbers: SerialNumbers
  /** @default nobody changes what it says */
  readonly composers?: CredentialComposers | undefined
}

/** A CA certificate that was signed for a downstream server. */
export interface SignedCa {
  /** DER: the new CA, then the signer's upstream chain; never the root. */
  readonly chain: readonly Uint8Array[]
  readonly serialNumber: string
  readonly notAfterSeconds: number
}

/**
 * Signs a CA certificate for a downstream server of the same trust domain: the signer's subject, its OU replaced by
 * `DOWNSTREAM-<n>` with n the length of the signer's chain.
 *
 * @throws {CaError} `ERR_CERTIFICATE_INVALID`
 */
export async function signDownstreamCa(options: DownstreamCaOptions): Promise<SignedCa> {
  const { ca, trustDomain, publicKey, nowMs } = options
  const serialNumber = options.serialNumbers.draw()
  const depth = Math.max(ca.upstreamChain.length, 1)
  const { name } = parseName(ca.subject)
  const says = await composedCa(options.composers, {
    ...name,
    organizationalUnit: [`DOWNSTREAM-${depth}`],
  })
  const validity = validityFrom(nowMs, options.ttlSeconds, ca.capSeconds)
  const certificate = await ca.caWriter.write({
    ...validity,
    serialNumber,
    subject: encodeName(says.subject),
    publicKey,
    uri: trustDomain.idString,
    dnsNames: [],
    extraExtensions: extensionsOfCa(says),
  })
  checkDownstreamCa(certificate, { trustDomain, nowMs })
  return {
    chain: [certificate, ...ca.upstreamChain],
    serialNumber: serialNumberText(serialNumber),
    notAfterSeconds: validity.notAfterSeconds,
  }
}

function checkDownstreamCa(...[der, expected]: Parameters<typeof checkCaCertificate>): void {
  try {
    checkCaCertificate(der, expected)
  } catch (cause) {
    const message = `invalid downstream X509 CA: ${messageOf(cause)}`
    throw new CaError('ERR_CERTIFICATE_INVALID', message, { cause })
  }
}
