import { createHash, type KeyObject, sign } from 'node:crypto'
import type { X509Svid } from '../x509-svid/index.ts'

/** A request to sign. Its URL has no query: what is asked stands in the body. */
export interface UnsignedRequest {
  readonly url: URL
  readonly body: string
  readonly contentType: string
}

/** Whom the request is for, and when. */
export interface SigningScope {
  readonly region: string
  readonly service: string
  readonly now: Date
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

/**
 * Signs a POST as AWS's Signature Version 4 with the key of an X509-SVID: the certificate and its intermediates stand in
 * headers, the serial number takes the place of an access key.
 *
 * @returns every header of the request
 */
export function signWithSvid(
  svid: X509Svid,
  { url, body, contentType }: UnsignedRequest,
  { region, service, now }: SigningScope,
): Readonly<Record<string, string>> {
  const [leaf, ...intermediates] = svid.chain
  const time = now.toISOString().replaceAll(/[-:]|\.\d+/g, '')
  const chain = intermediates.map(({ raw }) => base64(raw)).join(',')
  const headers: Readonly<Record<string, string>> = {
    'content-type': contentType,
    host: url.host,
    'x-amz-date': time,
    'x-amz-x509': base64(leaf.raw),
    ...(chain !== '' && { 'x-amz-x509-chain': chain }),
  }
  const names = Object.keys(headers).sort()
  const signedHeaders = names.join(';')
  const canonicalHeaders = names.map((name) => `${name}:${headers[name]}\n`).join('')
  const canonical = ['POST', url.pathname, '', canonicalHeaders, signedHeaders, sha256(body)]
  const scope = `${time.slice(0, 8)}/${region}/${service}/aws4_request`
  const algorithm = algorithmOf(svid.privateKey)
  const toSign = [algorithm, time, scope, sha256(canonical.join('\n'))].join('\n')
  const signature = sign('sha256', Buffer.from(toSign), svid.privateKey).toString('hex')
  const credential = `${leaf.serialNumber}/${scope}`
  return {
    ...headers,
    authorization: `${algorithm} Credential=${credential}, SignedHeaders=${signedHeaders}, Signature=${signature}`,
  }
}

function algorithmOf(key: KeyObject): string {
  return key.asymmetricKeyType === 'rsa' ? 'AWS4-X509-RSA-SHA256' : 'AWS4-X509-ECDSA-SHA256'
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}
