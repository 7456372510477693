import { verify } from 'node:crypto'
import { quoteGo } from '@mini-spire/runtime/go-quote'
import { messageOf } from '@mini-spire/sdk/errors'
import { parseCertificate } from '@mini-spire/sdk/x509'
import { failed, malformed, wrapping } from '../attestor-errors.ts'
import { decodeGoBase64, GoJsonObject } from '../go-json.ts'
import { SignedData } from '../signed-data.ts'
import type { RegionCertificates } from './region-certificates.ts'

/** Evidence is some 3 KB; more is not read. */
const maxPayloadBytes = 64 * 1024
const maxShownRegionLength = 32

/** What AWS says of an instance, in a document that it signed. */
export interface IdentityDocument {
  readonly accountId: string
  readonly region: string
  readonly availabilityZone: string
  readonly instanceId: string
  readonly imageId: string
}

/**
 * Reads an agent's evidence and returns the document in it, once its signature by the key of its own region has been
 * checked. The PKCS #7 of RSA-2048 counts if there is one, else the bare signature of RSA-1024, as in SPIRE.
 *
 * What is returned is read from the bytes that were signed. Not checked: how old the document is, and whether the
 * instance still runs.
 *
 * @throws {NodeAttestorError} `ERR_NODE_EVIDENCE_MALFORMED`, `ERR_NODE_ATTESTOR_FAILED` for a region without certificate
 */
export async function verifyIdentityDocument(
  payload: Uint8Array,
  certificates: RegionCertificates,
): Promise<IdentityDocument> {
  if (payload.length === 0) throw malformed('missing attestation payload')
  const { document, signature, rsa2048 } = readEvidence(payload)
  const { region } = readDocument(document)
  if (rsa2048 !== '') {
    return readDocument(await verifyRsa2048(document, rsa2048, region, certificates))
  }
  if (signature === '') throw malformed('instance identity cryptographic signature is required')
  verifyRsa1024(document, signature, region, certificates)
  return readDocument(document)
}

interface Evidence {
  readonly document: Uint8Array
  readonly signature: string
  readonly rsa2048: string
}

function readEvidence(payload: Uint8Array): Evidence {
  return wrapping(malformed, 'failed to unmarshal the attestation data', () => {
    if (payload.length > maxPayloadBytes) throw new Error('it is too long')
    const data = GoJsonObject.parse(payload)
    return {
      document: Buffer.from(data.string('document')),
      signature: data.string('signature'),
      rsa2048: data.string('rsa2048'),
    }
  })
}

function readDocument(document: Uint8Array): IdentityDocument {
  return wrapping(malformed, 'failed to unmarshal the IID', () => {
    const fields = GoJsonObject.parse(document)
    return {
      accountId: fields.string('accountId'),
      region: fields.string('region'),
      availabilityZone: fields.string('availabilityZone'),
      instanceId: fields.string('instanceId'),
      imageId: fields.string('imageId'),
    }
  })
}

/** SPIRE's texts hold one status inside another. */
function malformedTwice(message: string, cause: unknown): Error {
  return malformed(`rpc error: code = InvalidArgument desc = ${message}`, cause)
}

function verifyRsa1024(
  document: Uint8Array,
  text: string,
  region: string,
  certificates: RegionCertificates,
): void {
  let signature: Uint8Array
  try {
    signature = decodeGoBase64(text)
  } catch (cause) {
    throw malformedTwice(`failed to decode the IID signature: ${messageOf(cause)}`, cause)
  }
  if (verify('sha256', document, certificates.rsa1024Key(region), signature)) return
  const why = 'crypto/rsa: verification error'
  throw malformedTwice(`failed to verify the cryptographic signature: ${why}`, undefined)
}

async function verifyRsa2048(
  document: Uint8Array,
  text: string,
  region: string,
  certificates: RegionCertificates,
): Promise<Uint8Array> {
  const certificate = certificates.findRsa2048(region)
  if (!certificate) {
    const shown = quoteGo(region.slice(0, maxShownRegionLength))
    throw failed(
      `failed to load the AWS CA certificate for region ${shown}: unsupported region ${shown}`,
    )
  }
  const message = await parseMessage(text)
  let content: Uint8Array
  try {
    content = await message.contentSignedBy(parseCertificate(certificate))
  } catch (cause) {
    const what = 'failed verification of instance identity cryptographic signature'
    throw malformed(`${what}: ${messageOf(cause)}`, cause)
  }
  if (Buffer.compare(content, document) === 0) return content
  throw malformed('instance identity document does not match the verified PKCS7 content')
}

async function parseMessage(text: string): Promise<SignedData> {
  let ber: Uint8Array
  try {
    ber = decodeGoBase64(text.replaceAll(/[ \t]/g, ''))
  } catch (cause) {
    throw malformed('failed to decode the instance identity cryptographic signature', cause)
  }
  try {
    return await SignedData.parse(ber)
  } catch (cause) {
    const what = 'failed to parse the instance identity cryptographic signature'
    throw malformed(`${what}: ${messageOf(cause)}`, cause)
  }
}
