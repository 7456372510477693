import { CertificateWriter } from '@mini-spire/runtime/x509/certificate-writer'
import { type Csr, parseCsr } from '@mini-spire/runtime/x509/csr'
import type { SerialNumbers } from '@mini-spire/runtime/x509/serial-number'
import type { CertificateSigner } from '@mini-spire/runtime/x509/signer'
import { messageOf } from '@mini-spire/sdk/errors'
import { SpiffeId, type TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { type Certificate, keyIdentifier, parsePublicKey } from '@mini-spire/sdk/x509'
import { UpstreamAuthorityError } from './upstream-authority-error.ts'

/** How far before now a certificate's life begins: clocks differ. */
const backdateSeconds = 10
const defaultTtlSeconds = 3600
/** Extensions that the signer decides: a request cannot make itself more than it is. */
const ownExtensions: readonly string[] = ['2.5.29.15', '2.5.29.19', '2.5.29.14', '2.5.29.35']

/** A CA certificate and its key: what an upstream authority signs with. */
export interface UpstreamCa {
  readonly certificate: Certificate
  readonly signer: CertificateSigner
}

/** What {@link signUpstreamCsr} is given. */
export interface SignCsrOptions {
  readonly ca: UpstreamCa
  /** PKCS #10, DER. */
  readonly csr: Uint8Array
  /** 0: an hour. */
  readonly preferredTtlSeconds: number
  readonly trustDomain: TrustDomain
  readonly serialNumbers: SerialNumbers
  readonly nowMs: number
}

/**
 * Signs a CA certificate for a server of the trust domain: subject, names and other extensions as the request has them, no
 * path length, never longer than the signing CA lives.
 *
 * @returns DER
 * @throws {UpstreamAuthorityError} `ERR_UPSTREAM_CSR_REFUSED` unless the request proves its key and names exactly the trust
 *   domain
 */
export async function signUpstreamCsr(options: SignCsrOptions): Promise<Uint8Array> {
  const { ca, trustDomain, preferredTtlSeconds, nowMs } = options
  const csr = await readCsr(options.csr, trustDomain)
  const issuer = {
    name: ca.certificate.subjectRaw,
    keyId: ca.certificate.subjectKeyId ?? keyIdentifier(parsePublicKey(ca.certificate.spki)),
    signer: ca.signer,
  }
  const ttlSeconds = preferredTtlSeconds > 0 ? preferredTtlSeconds : defaultTtlSeconds
  const caNotAfterSeconds = Math.floor(ca.certificate.notAfter.getTime() / 1000)
  return await new CertificateWriter(issuer, 'ca').write({
    serialNumber: options.serialNumbers.draw(),
    notBeforeSeconds: Math.floor(nowMs / 1000 - backdateSeconds),
    notAfterSeconds: Math.min(Math.floor(nowMs / 1000 + ttlSeconds), caNotAfterSeconds),
    subject: csr.subjectRaw,
    publicKey: csr.publicKey,
    uri: trustDomain.idString,
    dnsNames: [],
    extraExtensions: csr.parseExtensions().filter(({ oid }) => !ownExtensions.includes(oid)),
  })
}

async function readCsr(der: Uint8Array, trustDomain: TrustDomain): Promise<Csr> {
  const csr = await attempt('unable to parse CSR', () => parseCsr(der))
  await attempt('CSR signature check failed', () => csr.verifySignature())
  const { uris } = await attempt('unable to parse CSR', () => csr.parseSubjectAltName())
  const [uri] = uris
  if (uri === undefined || uris.length > 1) throw refused('CSR must have exactly one URI SAN')
  const isInvalid = `CSR with SPIFFE ID ${JSON.stringify(uri)} is invalid`
  const id = await attempt(isInvalid, () => SpiffeId.parse(uri))
  if (id.toString() !== trustDomain.idString) {
    const must = `must use the trust domain ID for trust domain "${trustDomain.name}"`
    throw refused(`${isInvalid}: ${must}`)
  }
  return csr
}

async function attempt<Value>(what: string, work: () => Value | Promise<Value>): Promise<Value> {
  try {
    return await work()
  } catch (cause) {
    throw refused(`${what}: ${messageOf(cause)}`, cause)
  }
}

function refused(message: string, cause?: unknown): UpstreamAuthorityError {
  return new UpstreamAuthorityError('ERR_UPSTREAM_CSR_REFUSED', message, { cause })
}
